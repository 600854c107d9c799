//! `kairos send-test`: one message, sent by the installation to an address of the operator's, to look at where it arrives.

use std::process::ExitCode;
use std::time::Duration;

use kairos_cloud::clock::SystemClock;
use kairos_engine::bounds::{TEST_LOOK_EVERY, TEST_VALID_FOR, TEST_WAITED_MAX};
use kairos_engine::explain;
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::{DeliveryMessage, DeliveryOrder};
use kairos_engine::playbook::{Channel, Play, Playbook, Purpose};
use kairos_engine::time::Span;
use kairos_protocol::delivery::{DeliveryRecord, Status, TEST_USER};
use kairos_protocol::port::Clock;

use super::{Done, preview, why};
use crate::preview::sends;
use crate::preview::shopper::{Catalogue, Shopper};
use crate::sender::with_causes;
use crate::suppression_file::{address_on, channel_named};
use crate::target::{Target, TargetArguments};
use crate::terminal::{COLUMNS, Progress, Style, line, note, wrapped};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What to send, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The message is the one of the playbook in force, composed and sent as users' are. Nobody is asked for consent, and nothing
counts: no caps, no clicks, no codes. Its links lead to their pages directly, and its subject begins with [Test].
  kairos send-test abandoned_cart --channel email --to me@shop.example
  kairos send-test abandoned_cart --channel sms --to +4915112345678 --user ann --language de --aws --stack kairos")]
pub struct Arguments {
    /// The play
    play: String,
    /// One message of the play; without it the first that it sends on the channel
    #[arg(long)]
    message: Option<String>,
    /// The userId or anonymousId of somebody whom the installation knows, as whom the message is composed
    #[arg(long)]
    user: Option<String>,
    /// A made-up shopper with a cart, as without --user
    #[arg(long, conflicts_with = "user")]
    sample: bool,
    /// `email`, `sms`, `telegram`, `viber`, `whatsapp` or `webhook`
    #[arg(long)]
    channel: String,
    /// Where it goes: an address on that channel; for a webhook (the message says which) the userId that its receiver is told
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// What users of this language get, as in de or pt-BR
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
}

/// A test that was handed to an installation.
#[derive(Clone, Debug)]
pub struct SentTest {
    /// What was handed over.
    pub order: DeliveryOrder,
    /// How it ended; none when nothing had taken it up in time.
    pub record: Option<DeliveryRecord>,
}

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The play.
    pub play: &'a str,
    /// The message; the first that the play sends on the channel without it.
    pub message: Option<&'a str>,
    /// As whom: a user whom the installation knows, or a sample shopper.
    pub user: Option<&'a str>,
    /// On which channel.
    pub channel: Channel,
    /// Where.
    pub to: &'a str,
    /// What users of this language get.
    pub language: Option<&'a str>,
}

/// Sends the message, and tells how that ended.
///
/// # Errors
/// When there is no such play, message or address, or the installation cannot be reached. When the message was not sent,
/// it is exit code 1.
pub async fn run(arguments: &Arguments) -> Done {
    let wanted = Wanted {
        play: &arguments.play,
        message: arguments.message.as_deref(),
        user: arguments.user.as_deref(),
        channel: channel(&arguments.channel)?,
        to: &arguments.to,
        language: arguments.language.as_deref(),
    };
    let target = Target::find(&arguments.target).await?;
    let Some(sent) = send(&target, &wanted).await? else { return Ok(ExitCode::FAILURE) };
    Ok(told(&sent))
}

/// Hands the message to the installation, and waits until it is sent. None when it knows no such user, which has been said.
///
/// # Errors
/// When there is no such play, message or address, or the installation cannot be reached.
pub async fn send(target: &Target, wanted: &Wanted<'_>) -> Result<Option<SentTest>, Problem> {
    let address = address(wanted.channel, wanted.to)?;
    let playbook = target.playbooks(None).await?.in_force().await?;
    let play = preview::play_named(&playbook, wanted.play)?;
    let message = message(&playbook, play, wanted)?;
    let shopper = match wanted.user {
        None => Shopper::sample(&playbook, play),
        Some(user) => {
            let Some((_, state)) = why::found(&target.records().await?, user).await? else { return Ok(None) };
            let name = explain::name(&state).unwrap_or_else(|| user.to_owned());
            Shopper::known(&name, &state, &playbook, play, Catalogue::Installed(target.catalogue().await?))
        }
    };
    let order = order(&playbook, wanted, message, address, shopper);
    let sqs = aws_sdk_sqs::Client::new(&target.config);
    let body = serde_json::to_string(&DeliveryMessage::V1(Box::new(order.clone())))?;
    let queue = target.queue(&sqs, "DeliveriesQueueUrl", "deliveries").await?;
    let sent = sqs.send_message().queue_url(queue).message_body(body).send().await;
    sent.map_err(|error| format!("the order could not be put into the queue of deliveries: {}", with_causes(&error)))?;
    let record = outcome(target, order.delivery).await?;
    Ok(Some(SentTest { order, record }))
}

fn channel(name: &str) -> Result<Channel, String> {
    match name.trim() {
        "webhook" => Ok(Channel::Webhook),
        "on_site" => Err("a test is put into nobody's inbox: `kairos preview --html` shows messages on pages".into()),
        name => channel_named(name),
    }
}

fn address(channel: Channel, given: &str) -> Result<String, String> {
    let address = match channel {
        Channel::Webhook => Some(given.trim().to_owned()).filter(|id| !id.is_empty()),
        channel => address_on(channel, given),
    };
    address.ok_or_else(|| format!("`{given}` is no address on {channel}"))
}

/// The message to send: the one that is named, else the first of the play that has a template for the channel.
fn message<'p>(playbook: &'p Playbook, play: &'p Play, wanted: &Wanted<'_>) -> Result<&'p str, String> {
    let (channel, wanted) = (wanted.channel, wanted.message);
    if !playbook.channels.has(channel) {
        return Err(format!("the playbook in force does not set up {channel}: add it to channels.yaml, and publish"));
    }
    if let Some(wanted) = wanted {
        preview::knows_message(play, wanted)?;
    }
    let has_template = |name: &str| {
        playbook.messages.get(name).is_some_and(|message| message.locales.values().any(|all| all.has(channel)))
    };
    let named = sends(&play.steps).into_iter().map(|(name, _)| name);
    let mut named = named.filter(|name| wanted.is_none_or(|wanted| *name == wanted));
    named.find(|name| has_template(name)).ok_or_else(|| match wanted {
        Some(name) => format!("the message {name} has no template for {channel}"),
        None => format!("no message of the play {} has a template for {channel}", play.name),
    })
}

fn order(playbook: &Playbook, wanted: &Wanted<'_>, message: &str, address: String, shopper: Shopper) -> DeliveryOrder {
    let (user, now) = (UserKey::known(TEST_USER), SystemClock.now());
    DeliveryOrder {
        // Each command is a message of its own.
        delivery: DeliveryId::of_decision(user, now.as_millis().unsigned_abs()),
        user,
        play: wanted.play.to_owned(),
        message: message.to_owned(),
        playbook: playbook.version.clone(),
        channel: wanted.channel,
        purpose: Purpose::Test,
        address,
        locale: wanted.language.map(str::to_owned).or(shopper.locale),
        due_at: now,
        decided_at: now,
        expires_at: now.plus(TEST_VALID_FOR),
        why: "a test, sent by an operator".to_owned(),
        correlation: None,
        who: None,
        data: shopper.data,
    }
}

/// Waits until the installation has recorded how it ended; none when that takes too long.
async fn outcome(target: &Target, delivery: DeliveryId) -> Result<Option<DeliveryRecord>, Problem> {
    let records = target.records().await?;
    let progress = Progress::open("sending");
    let millis = |span: Span| Duration::from_millis(span.as_millis().unsigned_abs());
    let mut looks = tokio::time::interval(millis(TEST_LOOK_EVERY));
    let until = tokio::time::Instant::now() + millis(TEST_WAITED_MAX);
    let mut last = None;
    while tokio::time::Instant::now() < until {
        looks.tick().await;
        last = records.delivery(delivery).await?;
        if let Some(record) = &last
            && record.status != Status::Claimed
        {
            break;
        }
    }
    drop(progress);
    Ok(last)
}

fn told(SentTest { order, record }: &SentTest) -> ExitCode {
    let style = Style::stdout();
    let (channel, address) = (order.channel, &order.address);
    let what = format!("{} of {} by {channel} to {address}", order.message, order.play);
    let Some(record) = record else {
        note(format!("{what}: nothing has taken it up yet. Look at the queue of deliveries, and its dead letters."));
        return ExitCode::FAILURE;
    };
    if record.status == Status::Sent {
        line(style.good(format!("Sent: {what}")));
    } else {
        line(style.bad(format!("Not sent ({}): {what}", record.status.as_str())));
    }
    if let Some(answer) = &record.answer {
        let detail = answer.detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
        wrapped(&format!("{} {}{detail}", answer.class.as_str(), answer.code), COLUMNS - 2)
            .iter()
            .for_each(|text| line(style.dim(format!("  {text}"))));
    }
    for text in [&record.subject, &record.text].into_iter().flatten() {
        text.lines().flat_map(|text| wrapped(text, COLUMNS - 2)).for_each(|text| line(format!("  {text}")));
    }
    if record.status == Status::Sent { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

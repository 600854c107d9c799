//! What the messages of a play look like, composed by the very code that `delivery` runs ([`compose_from`]).
//!
//! - [`shopper`]: whom they are composed for: a sample, or a user of an installation.
//! - [`shown`]: what was composed, in the parts that both looks need; [`markup`] reads HTML for them.
//! - [`paint`]: on the terminal. [`page`]: as a page.
//!
//! Nothing is sent, written or given away: promo codes and short links are samples, and the catalogue is only read.

pub mod markup;
pub mod page;
pub mod paint;
pub mod shopper;
pub mod shown;

use std::collections::BTreeSet;

use kairos_delivery::composer::compose_from;
use kairos_delivery::samples::Samples;
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::money::Micros;
use kairos_engine::playbook::{
    Channel, EmailSettings, Message, Play, Playbook, SINGLE_WEBHOOK, Step, ViberSettings, WebhookSettings,
    WhatsappSettings,
};
use kairos_engine::time::Timestamp;

use shopper::Shopper;
use shown::Shown;

/// The messages of a play, as somebody would get them.
#[derive(Debug)]
pub struct Preview {
    /// The play's name in files.
    pub play: String,
    /// The play's name for people.
    pub title: String,
    /// For whom, in words.
    pub shopper: String,
    /// In the order of the steps.
    pub messages: Vec<MessagePreview>,
}

impl Preview {
    /// How many channels show nothing but an error.
    pub fn failures(&self) -> usize {
        let languages = self.messages.iter().flat_map(|message| &message.languages);
        languages.flat_map(|language| &language.channels).filter(|channel| channel.shown.is_err()).count()
    }
}

/// One message.
#[derive(Debug)]
pub struct MessagePreview {
    /// Its name.
    pub name: String,
    /// As it is in each language.
    pub languages: Vec<LanguagePreview>,
}

/// One message in one language.
#[derive(Debug)]
pub struct LanguagePreview {
    /// The language's tag.
    pub tag: String,
    /// Whether the shopper would get this one; of a sample any.
    pub is_theirs: bool,
    /// As it is on each channel that has a template.
    pub channels: Vec<ChannelPreview>,
}

/// One message in one language on one channel.
#[derive(Debug)]
pub struct ChannelPreview {
    /// The channel.
    pub channel: Channel,
    /// Why nobody, or not this shopper, would get it.
    pub remarks: Vec<String>,
    /// What it looks like, or why there is nothing to look at.
    pub shown: Result<Shown, String>,
}

/// What is to be shown.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The play.
    pub play: &'a Play,
    /// One of its messages; all without it.
    pub message: Option<&'a str>,
    /// What users of this language get; all languages without it.
    pub locale: Option<&'a str>,
    /// What one segment of an SMS costs.
    pub sms_price: Option<Micros>,
    /// When the messages are taken to be due.
    pub at: Timestamp,
}

/// Composes what is wanted of a playbook for a shopper.
pub async fn preview(playbook: &Playbook, wanted: &Wanted<'_>, shopper: &Shopper) -> Preview {
    let everywhere = with_every_channel(playbook);
    let mut messages = Vec::new();
    for (name, channels) in sends(&wanted.play.steps) {
        let Some(message) = playbook.messages.get(name).filter(|_| wanted.message.is_none_or(|one| one == name)) else {
            continue;
        };
        let theirs = language(message, shopper.locale.as_deref());
        let asked = wanted.locale.map(|locale| language(message, Some(locale)));
        let mut languages = Vec::new();
        for (tag, templates) in &message.locales {
            if asked.is_some_and(|asked| asked != Some(tag)) {
                continue;
            }
            let mut of_language = LanguagePreview {
                tag: tag.clone(),
                is_theirs: shopper.is_sample || theirs == Some(tag),
                channels: Vec::new(),
            };
            for channel in Channel::ALL.into_iter().filter(|channel| templates.has(*channel)) {
                let order = order(&everywhere, wanted, shopper, (name, tag, channel));
                let samples = Samples::default();
                let composed =
                    compose_from(&everywhere, &shopper.catalogue, &samples, &samples, &samples, &order).await;
                let shown = match composed {
                    Ok(content) => Ok(Shown::of(content, &samples.counted(), wanted.sms_price)),
                    Err(answer) => Err(answer.detail.unwrap_or(answer.code)),
                };
                let remarks = remarks(playbook, &channels, shopper, channel);
                of_language.channels.push(ChannelPreview { channel, remarks, shown });
            }
            languages.push(of_language);
        }
        messages.push(MessagePreview { name: name.to_owned(), languages });
    }
    Preview {
        play: wanted.play.name.to_string(),
        title: wanted.play.title.clone(),
        shopper: shopper.described.clone(),
        messages,
    }
}

/// The messages that steps send, each once and in their order, with the channels they are sent on.
pub fn sends(steps: &[Step]) -> Vec<(&str, BTreeSet<Channel>)> {
    fn look<'s>(steps: &'s [Step], found: &mut Vec<(&'s str, BTreeSet<Channel>)>) {
        for step in steps {
            match step {
                Step::Send { message, channels, .. } => match found.iter_mut().find(|(name, _)| name == message) {
                    Some((_, known)) => known.extend(channels),
                    None => found.push((message, channels.iter().copied().collect())),
                },
                Step::WaitUntil { otherwise, .. } => look(otherwise, found),
                Step::Branch { then, otherwise, .. } => {
                    look(then, found);
                    look(otherwise, found);
                }
                Step::Split { variants, .. } => variants.iter().for_each(|variant| look(&variant.steps, found)),
                Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => {}
            }
        }
    }
    let mut found = Vec::new();
    look(steps, &mut found);
    found
}

/// The language that a user of `locale` gets.
fn language<'m>(message: &'m Message, locale: Option<&str>) -> Option<&'m String> {
    let templates = message.localized(locale)?;
    // Two languages may say the same; it is the same templates that are meant.
    message.locales.iter().find(|(_, of_tag)| core::ptr::eq(*of_tag, templates)).map(|(tag, _)| tag)
}

fn order(
    playbook: &Playbook,
    wanted: &Wanted<'_>,
    shopper: &Shopper,
    (message, tag, channel): (&str, &str, Channel),
) -> DeliveryOrder {
    let user = UserKey::known("preview");
    DeliveryOrder {
        delivery: DeliveryId::of_decision(user, 0),
        user,
        play: wanted.play.name.to_string(),
        message: message.to_owned(),
        playbook: playbook.version.clone(),
        channel,
        purpose: playbook.purpose(message),
        address: shopper.addresses.get(&channel).cloned().unwrap_or_default(),
        locale: Some(tag.to_owned()),
        due_at: wanted.at,
        decided_at: wanted.at,
        expires_at: wanted.at.plus(wanted.play.valid_for),
        why: String::new(),
        correlation: None,
        who: None,
        data: shopper.data.clone(),
    }
}

/// The playbook to look at: a channel that is not set up yet can be looked at all the same.
fn with_every_channel(playbook: &Playbook) -> Playbook {
    let mut playbook = playbook.clone();
    // Looking is not opening: no picture of one pixel.
    playbook.links.iter_mut().for_each(|links| links.opens = false);
    let channels = &mut playbook.channels;
    let from = || EmailSettings { from: String::new(), reply_to: None };
    let whatsapp =
        || WhatsappSettings { phone_number_id: String::new(), api_version: WhatsappSettings::usual_version() };
    channels.email.get_or_insert_with(from);
    channels.sms.get_or_insert_default();
    let templates = playbook.messages.values().flat_map(|message| message.locales.values());
    for to in templates.filter_map(|templates| templates.webhook.as_ref()?.to.clone()) {
        channels.webhooks.entry(to).or_default();
    }
    if channels.webhooks.is_empty() {
        channels.webhooks.insert(SINGLE_WEBHOOK.to_owned(), WebhookSettings::default());
    }
    channels.telegram.get_or_insert_default();
    channels.viber.get_or_insert_with(|| ViberSettings { sender: String::new(), avatar: None });
    channels.whatsapp.get_or_insert_with(whatsapp);
    channels.on_site.get_or_insert_default();
    channels.web_push.get_or_insert_default();
    channels.mobile_push.get_or_insert_default();
    playbook
}

fn remarks(playbook: &Playbook, channels: &BTreeSet<Channel>, shopper: &Shopper, channel: Channel) -> Vec<String> {
    let mut remarks = Vec::new();
    if !playbook.channels.has(channel) {
        remarks.push("not set up in channels.yaml".to_owned());
    }
    if !channels.contains(&channel) {
        remarks.push("no step sends it here".to_owned());
    }
    if !shopper.is_sample && Channel::PERSONAL.contains(&channel) && !shopper.addresses.contains_key(&channel) {
        remarks.push("they have no address here".to_owned());
    }
    remarks
}

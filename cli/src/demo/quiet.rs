//! Waits until nothing is under way: no message in any queue, delayed ones included, and no alarm due.

use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use kairos_cloud::clock::SystemClock;
use kairos_engine::bounds::{ALARM_SHARDS, SOON};
use kairos_protocol::alarms::AlarmIndex;
use kairos_protocol::port::Clock;

use super::Failure;
use crate::sender::with_causes;
use crate::target::Target;
use crate::terminal::{Progress, Style, note};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// So many looks in a row must find nothing: a message on its way from one queue to the next can be
/// missed by one look.
const QUIET_LOOKS: u32 = 3;
/// How long to wait at most. A message that failed comes back after its queue's visibility timeout,
/// which is three minutes at most.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// A log that is no terminal gets a line this often.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(15);
/// Alarms counted per shard; more are as good as many.
const ALARMS_COUNTED_MAX: usize = 1_000;

/// The queues, in the order in which messages pass them.
const QUEUES: [(&str, &str); 3] =
    [("EventsQueueUrl", "mailboxes"), ("AlarmsQueueUrl", "timers"), ("DeliveriesQueueUrl", "deliveries")];

/// The queues of what could not be handled.
const DEAD_LETTERS: [(&str, &str); 3] = [
    ("EventsDeadLettersUrl", "events"),
    ("AlarmsDeadLettersUrl", "alarms"),
    ("DeliveriesDeadLettersUrl", "deliveries"),
];

/// Waits until all is quiet. False when it did not become so in time; what is left has been said then.
pub(super) async fn wait(target: &Target) -> Result<bool, Failure> {
    let sqs = Client::new(&target.config);
    let progress = Progress::open("looking");
    let (started, mut said) = (Instant::now(), Instant::now());
    let mut quiet_looks = 0;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let under_way = look(target, &sqs).await?;
        let waiting: Vec<String> =
            under_way.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
        quiet_looks = if waiting.is_empty() { quiet_looks + 1 } else { 0 };
        if quiet_looks == QUIET_LOOKS {
            drop(progress);
            note(format!("  all quiet after {:.1} s", started.elapsed().as_secs_f64()));
            return Ok(true);
        }
        let shown = if waiting.is_empty() { "nothing".to_owned() } else { waiting.join(", ") };
        progress.say(format!("under way: {shown}"));
        if started.elapsed() > WAIT_MAX {
            drop(progress);
            let problem = format!("after {} s there is still under way: {shown}", WAIT_MAX.as_secs());
            note(Style::stderr().bad(problem));
            return Ok(false);
        }
        if progress.is_plain() && !waiting.is_empty() && said.elapsed() > PLAIN_LINE_EVERY {
            said = Instant::now();
            note(format!("  under way: {shown}"));
        }
    }
}

/// How many messages wait as dead letters, by queue.
pub(super) async fn dead_letters(target: &Target) -> Result<Vec<(&'static str, u64)>, Failure> {
    let sqs = Client::new(&target.config);
    let mut counts = Vec::new();
    for (output, name) in DEAD_LETTERS {
        counts.push((name, messages(target, &sqs, output).await?));
    }
    Ok(counts)
}

async fn look(target: &Target, sqs: &Client) -> Result<Vec<(&'static str, u64)>, Failure> {
    let mut under_way = Vec::new();
    for (output, name) in QUEUES {
        under_way.push((name, messages(target, sqs, output).await?));
    }
    // An alarm due sooner than this has a message in the delay queue, or the next sweep finds it.
    let horizon = SystemClock.now().plus(SOON);
    let users = target.records().await?.users();
    let mut due = 0;
    for shard in 0..ALARM_SHARDS {
        due += users.due(shard, horizon, ALARMS_COUNTED_MAX).await?.len() as u64;
    }
    under_way.push(("alarms due", due));
    Ok(under_way)
}

/// Messages in a queue: visible, being worked on, and delayed.
async fn messages(target: &Target, sqs: &Client, output: &str) -> Result<u64, Failure> {
    let url = target.local.as_ref().and_then(|stack| stack.outputs.get(output));
    let url = url.ok_or_else(|| format!("the stack has no output {output}: is template.yaml of this version?"))?;
    let counted = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let request = sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(counted.to_vec()));
    let answer = request.send().await.map_err(|error| with_causes(&error))?;
    let attributes = answer.attributes.unwrap_or_default();
    let count = |name| attributes.get(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    Ok(counted.iter().map(count).sum())
}

//! What is counted.

use std::collections::BTreeMap;

use kairos_engine::money::Micros;
use kairos_engine::outcome::PlayOutcome;
use kairos_engine::playbook::Channel;
use serde::{Serialize, Serializer};

/// How considerations ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Moments that came to a decision: sent, held out or not sent.
    pub considered: u64,
    /// Messages that would have been sent.
    pub sent: u64,
    /// The same by channel.
    pub by_channel: BTreeMap<Channel, u64>,
    /// Messages that waited for the end of quiet hours.
    pub held: u64,
    /// Messages that a holdout or the control group did not get.
    pub held_out: u64,
    /// Moments that led to no message.
    pub not_sent: u64,
    /// The same by reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Waits that ended because what they waited for did not fail to come: the cart was bought.
    pub cancelled: u64,
    /// Goals reached after a message.
    pub converted: u64,
    /// What they were worth, where the event says so.
    #[serde(serialize_with = "units")]
    pub converted_value: Micros,
    /// Goals reached by those who were held out.
    pub converted_held_out: u64,
    /// What they were worth.
    #[serde(serialize_with = "units")]
    pub converted_held_out_value: Micros,
}

impl Counts {
    /// Counts one outcome.
    pub(crate) fn note(&mut self, outcome: &PlayOutcome) {
        match outcome {
            PlayOutcome::Sent { channel, .. } => {
                self.considered += 1;
                self.sent += 1;
                *self.by_channel.entry(*channel).or_default() += 1;
            }
            PlayOutcome::HeldOut { .. } => {
                self.considered += 1;
                self.held_out += 1;
            }
            PlayOutcome::NotSent { .. } => {
                self.considered += 1;
                self.not_sent += 1;
                *self.reasons.entry(reason(outcome)).or_default() += 1;
            }
            PlayOutcome::Held { .. } => self.held += 1,
            PlayOutcome::Cancelled { .. } => self.cancelled += 1,
            PlayOutcome::Converted { sent: true, value, .. } => {
                self.converted += 1;
                self.converted_value = self.converted_value.plus(value.unwrap_or_default());
            }
            PlayOutcome::Converted { sent: false, value, .. } => {
                self.converted_held_out += 1;
                self.converted_held_out_value = self.converted_held_out_value.plus(value.unwrap_or_default());
            }
            PlayOutcome::Waiting { .. } | PlayOutcome::Finished | PlayOutcome::Assigned { .. } => {}
        }
    }

    /// Adds others.
    pub(crate) fn add(&mut self, other: &Self) {
        self.considered += other.considered;
        self.sent += other.sent;
        self.held += other.held;
        self.held_out += other.held_out;
        self.not_sent += other.not_sent;
        self.cancelled += other.cancelled;
        self.converted += other.converted;
        self.converted_value = self.converted_value.plus(other.converted_value);
        self.converted_held_out += other.converted_held_out;
        self.converted_held_out_value = self.converted_held_out_value.plus(other.converted_held_out_value);
        for (channel, count) in &other.by_channel {
            *self.by_channel.entry(*channel).or_default() += count;
        }
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }
}

/// The name of the reason why something was not sent.
fn reason(outcome: &PlayOutcome) -> &'static str {
    let name = outcome.as_str();
    name.strip_prefix("not_sent_").unwrap_or(name)
}

/// The name of a reason for people.
pub fn reason_title(reason: &str) -> String {
    match reason {
        "cap" => "cap of the play".to_owned(),
        "policy_cap" => "cap of the policy".to_owned(),
        "moment_passed" => "moment had passed".to_owned(),
        "no_address" => "no address".to_owned(),
        "not_in_audience" => "not in the audience (`who`)".to_owned(),
        "excluded" => "excluded by `unless`".to_owned(),
        other => other.replace('_', " "),
    }
}

/// Amounts stand in reports in units of their currency.
fn units<S: Serializer>(amount: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(amount.get() as f64 / 1e6)
}

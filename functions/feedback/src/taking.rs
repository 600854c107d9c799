//! A receipt is taken: the address, the user, the record, in this order (see `kairos-protocol`'s `receipts`).

use std::sync::{Mutex, PoisonError};

use kairos_cloud::clock::SystemClock;
use kairos_cloud::telemetry;
use kairos_engine::bounds::{RECEIPT_LOOKUPS_MAX, RECEIPT_ROUNDS_MAX};
use kairos_engine::consent::{Choice, SuppressionReason};
use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{Playbook, PlaybookVersion};
use kairos_protocol::delivery::{DeliveryRecord, Put, Records as _, Standing};
use kairos_protocol::port::{Clock, Fault, Mailboxes as _};
use kairos_protocol::receipts::{News, Receipt, matters};

use crate::function::Function;
use crate::said::Said;
use crate::suppression::{At, Cause};

/// What became of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All is done that is to be done.
    Done,
    /// Its delivery is not known yet; the queue gives it again.
    NotYet,
}

/// Which events the playbook in force asks for, found out once for each.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<Answers>);

/// What is known of one playbook.
#[derive(Debug, Default)]
struct Answers {
    of: PlaybookVersion,
    known: Vec<(EventName, bool)>,
}

impl Asked {
    fn for_event(&self, event: &EventName, playbook: &Playbook) -> bool {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.of != playbook.version {
            *answers = Answers { of: playbook.version.clone(), known: Vec::new() };
        }
        if let Some((_, answer)) = answers.known.iter().find(|(known, _)| known == event) {
            return *answer;
        }
        let answer = matters(event, playbook);
        answers.known.push((event.clone(), answer));
        answer
    }
}

impl Function {
    /// Takes a receipt in, which the queue has given so often.
    ///
    /// # Errors
    /// When a table or the queue fails; the same again finishes it.
    pub(crate) async fn take(&self, receipt: &Receipt, receives: u32) -> Result<Taken, Fault> {
        if let (News::Said { text }, Some(address)) = (&receipt.news, &receipt.address) {
            let from = At { channel: receipt.channel, address, user: None };
            self.hear(Said { id: &receipt.id, from, to: None, text }).await?;
            return Ok(Taken::Done);
        }
        for _ in 0..RECEIPT_ROUNDS_MAX {
            let Some(record) = self.record_of(receipt).await? else {
                return self.take_without_record(receipt, receives).await;
            };
            if record.channel != receipt.channel {
                telemetry::count("receipt_other_channel", 1);
                return Ok(Taken::Done);
            }
            let now = SystemClock.now();
            if matches!(record.standing(now), Standing::Held { .. }) {
                // Somebody is about to record what the provider said; who knows it would take their claim away.
                telemetry::count("receipt_early", 1);
                return Ok(Taken::NotYet);
            }
            let Some(noted) = record.received(receipt, now) else {
                telemetry::count("receipt_nothing_new", 1);
                return Ok(Taken::Done);
            };
            // A test is about nobody; only its address may turn out to be dead.
            let is_test = record.is_of_test();
            let user = Some(record.user).filter(|_| !is_test);
            self.do_at(At { channel: record.channel, address: &record.address, user }, receipt).await?;
            if is_test {
                telemetry::count("receipt_of_test", 1);
            } else if let Some(event) = receipt.event(&record)
                && self.is_to_be_told(&event).await?
            {
                self.suppressing.mailboxes.send(&[receipt.tells(&record, event, now)]).await?;
                telemetry::count("receipt_told", 1);
            }
            if self.deliveries.put(&noted, Some(record.revision)).await? == Put::Written {
                telemetry::count(receipt.news.as_str(), 1);
                return Ok(Taken::Done);
            }
        }
        let why = "others change it all the time".to_owned();
        Err(Fault::Retryable { what: "noting a receipt in its delivery's record", why })
    }

    async fn record_of(&self, receipt: &Receipt) -> Result<Option<DeliveryRecord>, Fault> {
        let delivery = match (receipt.delivery, &receipt.provider_id) {
            (Some(delivery), _) => Some(delivery),
            (None, Some(id)) => self.deliveries.of_provider(receipt.channel, id).await?,
            (None, None) => None,
        };
        match delivery {
            Some(delivery) => self.deliveries.get(delivery).await,
            None => Ok(None),
        }
    }

    /// News of an address, or of a delivery that nobody knows (yet).
    async fn take_without_record(&self, receipt: &Receipt, receives: u32) -> Result<Taken, Fault> {
        if let Some(address) = &receipt.address {
            let at = At { channel: receipt.channel, address, user: None };
            let addresses = &self.suppressing.addresses;
            if addresses.has_heard(at.channel, at.key(), &receipt.id).await? {
                telemetry::count("receipt_nothing_new", 1);
            } else if self.do_at(at, receipt).await? {
                addresses.heard(at.channel, at.key(), &receipt.id, SystemClock.now()).await?;
                telemetry::count(receipt.news.as_str(), 1);
            }
        }
        if receipt.delivery.is_none() && receipt.provider_id.is_none() {
            return Ok(Taken::Done);
        }
        if receives < RECEIPT_LOOKUPS_MAX {
            telemetry::count("receipt_early", 1);
            return Ok(Taken::NotYet);
        }
        // Another program's message by the same bot or configuration set, or one that is long forgotten.
        telemetry::count("receipt_unknown_delivery", 1);
        tracing::warn!(channel = %receipt.channel, news = receipt.news.as_str(), "nobody knows the delivery of a receipt");
        Ok(Taken::Done)
    }

    /// What a receipt means for its address; says whether it means anything.
    async fn do_at(&self, at: At<'_>, receipt: &Receipt) -> Result<bool, Fault> {
        let cause = Cause { id: &receipt.id, at: receipt.at.min(SystemClock.now()) };
        match receipt.news {
            News::Dead { .. } if receipt.is_on_the_list() => self.suppressing.found_suppressed(at, cause).await?,
            News::Dead { reason } => drop(self.suppressing.suppress(at, reason, cause).await?),
            News::Alive => {
                self.suppressing.restore(at, SuppressionReason::Stop, cause).await?;
                self.suppressing.revive(at, cause).await?;
            }
            News::MarketingRefused => self.suppressing.marketing(at, Choice::Refused, cause).await?,
            News::MarketingGiven => self.suppressing.marketing(at, Choice::Given, cause).await?,
            News::Accepted
            | News::Delivered
            | News::Read
            | News::Delayed
            | News::Bounced
            | News::Failed
            | News::Said { .. } => return Ok(false),
        }
        Ok(true)
    }

    async fn is_to_be_told(&self, event: &EventName) -> Result<bool, Fault> {
        let playbook = self.playbooks.outline().await?;
        Ok(self.asked.for_event(event, &playbook))
    }
}

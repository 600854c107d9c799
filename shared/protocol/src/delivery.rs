//! How one decided message becomes a sent one: composed, claimed, sent, recorded.
//!
//! The deliveries queue may give a message twice, to two workers at once, and again after a crash.
//! What stands between that and a shopper who gets two SMS is one record per delivery id, written
//! conditionally on its revision.
//!
//! ```text
//!             ┌ moment passed ──────────────────────────────▶ Expired
//! order ──────┤                     (one conditional write)
//!             ├ its provider is to be left alone ───────────▶ (queue, as a new message with a delay)
//!             ├ no longer wanted, or the address is dead ────▶ Refused
//!             ├ cannot be composed ─────────────────────────▶ Refused, Waiting, Failed
//!             │
//!             └ composed ──▶ Claimed ──▶ the provider's answer
//!                              │            ├ sent ───────────▶ Sent
//!                              │            ├ never ──────────▶ Refused
//!                              │            ├ not now ────────▶ Waiting ─▶ (queue) ─▶ Claimed …, at last Failed
//!                              │            └ no answer ──────▶ Unconfirmed, or as "not now": by the policy
//!                              └ crash; the lease runs out ───▶ Unconfirmed, or Claimed again: by the policy
//! ```
//!
//! **Policy after a crash or a missing answer.** Between the provider's acceptance and our record
//! nobody can know.
//! - SMS is *at most once*: it costs money and rings a phone, so a claim that was never recorded ends as
//!   [`Status::Unconfirmed`] and is never sent again.
//! - Email and messengers are *at most twice*: they know no idempotency key, so a mailbox or a chat may show
//!   a message twice. The next worker takes the claim over and sends once more; a second doubt (no answer, or
//!   a crash, in any attempt) ends as [`Status::Unconfirmed`].
//! - The webhook is *at least once*: it is sent again with the same delivery id, by which its receiver knows it; so is a
//!   message on the site, which its inbox has once, and a notification, which a repetition replaces without a sound.
//!
//! **Why one write before the call, and not two.** A second write ("claimed", then "calling") would
//! tell a crash before the call from a crash during it. Instead everything that can fail or take
//! time (playbook, rendering) happens *before* the claim, and nothing but a look at the clock stands
//! between the claim and the call. What is left of the gap is the claim's own answer on the wire; a
//! second write would have the same gap. When the claim's answer is lost, the claim is written again: a
//! worker knows its own. Only when that fails too does an SMS end unconfirmed though it was never sent,
//! which is the safe side.
//!
//! **What the receiver says meanwhile.** Whether they have refused such messages, or their address is dead, is read before
//! anything is composed, and again right before the claim and before the call when that was a second ago
//! ([`permission`]). Usually that is one read for a batch; no call goes out on an older answer.
//!
//! **Providers that are out of order.** A process that hears nothing but trouble from a provider leaves it alone ([`breaker`]), as
//! it does one that asks for a pause. Messages that come meanwhile are put into the queue anew, with a delay, and acknowledged:
//! nothing is written, nothing is called, and the queue counts their times from the beginning, so that an outage of hours fills
//! no dead-letter queue. They end when the provider is back, or when their moment has passed. A crash between the two leaves the
//! message in the queue twice, which its record makes up for; so that such messages do not multiply, each is put in anew only
//! when the queue gives it for the first or the last time, and waits there in between.
//!
//! **Two providers of SMS.** Where the shop has named another one, it gets what the first one has certainly not taken
//! ([`Answer::leaves_it_to_another`]), in the same attempt and under the same claim; what the first one has perhaps taken it never
//! gets.
//!
//! **How often.** Each time the queue gives the message, at most one attempt is made. The queue gives
//! it [`DELIVERY_ATTEMPTS_MAX`] times. After the last the record says [`Status::Failed`], and the
//! message is failed once more, so that it reaches the dead-letter queue, where a person decides.
//! Redriven from there it is a new message with a new count, and is tried again, unless its moment
//! has passed. What nobody can repair (refused for good, expired) is recorded and acknowledged:
//! the dead-letter queue holds only what is worth a look.
//!
//! **Invariants**
//! - The provider is called only by the worker whose claim is in the record, and only early in its lease.
//! - What is known to be sent is never sent again, even when recording it fails.
//! - Every message ends in one [`Outcome`].

use std::borrow::Cow;
use std::future::Future;

use futures_util::future::join_all;
use kairos_engine::bounds::{
    CLAIM_LEASE, DELIVERY_ATTEMPTS_MAX, DELIVERY_CLAIM_ROUNDS_MAX, DELIVERY_RECORD_TRIES_MAX, LATER_MIN,
    PROVIDER_TIMEOUT, QUEUE_DELAY_MAX, SMS_FALLBACK_WITHIN,
};
use kairos_engine::mailbox::{DeliveryMessage, DeliveryOrder};
use kairos_engine::mobile_push::MobileDevice;
use kairos_engine::playbook::{
    EmailSettings, LinkButton, MobilePushSettings, OnSiteMessage, PushMessage, SmsSettings, TelegramSettings,
    ViberSettings, WebPushSettings, WebhookSettings, WhatsappSettings,
};
use kairos_engine::time::{Span, Timestamp};
use kairos_engine::web_push::WebPushSubscription;

use crate::port::{Clock, Fault};

mod answer;
pub mod breaker;
mod facts;
mod outcome;
mod permission;
mod record;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerClass};
pub use facts::rows;
pub use outcome::{Outcome, Report};
pub use permission::{Objection, Permissions, SUPPRESSED};
pub use record::{CrashPolicy, DeliveryRecord, Standing, Status, TEST_USER, policy, provider_key};

use permission::Asked;
use record::Intent;

/// The records of deliveries: one each, written as a whole.
pub trait Records {
    /// Writes the record of its delivery, if the one that is there has the expected revision (`None`:
    /// if none is there).
    fn put(&self, record: &DeliveryRecord, expected_revision: Option<u32>) -> impl Future<Output = Result<Put, Fault>>;
}

/// What became of a conditional write of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    /// It is written.
    Written,
    /// Nothing was changed, because this one is there (`None`: because none is).
    Conflict(Option<Box<DeliveryRecord>>),
}

/// Turns an order into what the channel sends: the templates of the playbook that decided it, filled in.
pub trait Composer {
    /// The content, or why there is none: [`AnswerClass::Retryable`] when the playbook could not be
    /// read now, [`AnswerClass::Configuration`] when it is not there or lacks the channel,
    /// [`AnswerClass::PermanentMessage`] when the templates cannot be filled in.
    fn compose(&self, order: &DeliveryOrder) -> impl Future<Output = Result<Content, Answer>>;
}

/// Hands messages to the providers of all channels.
pub trait Provider {
    /// How long this message's provider is to be left alone; `None` when it may be called now. Asked before the message is
    /// composed.
    fn wait(&self, order: &DeliveryOrder) -> Option<Span>;

    /// Sends one message, once: no retries of its own. Answers within [`PROVIDER_TIMEOUT`]; when the
    /// provider does not, with [`AnswerClass::Unknown`].
    fn send(&self, order: &DeliveryOrder, content: &Content) -> impl Future<Output = Answer>;
}

/// The deliveries queue, as far as messages go back into it.
pub trait Later {
    /// Puts a message in once more, as a new one that comes after this delay (at most [`QUEUE_DELAY_MAX`]).
    fn later(&self, order: &DeliveryOrder, delay: Span) -> impl Future<Output = Result<(), Fault>>;
}

/// What a channel sends, with the sender that the playbook names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An email.
    Email {
        /// Who sends it.
        sender: EmailSettings,
        /// The subject line.
        subject: String,
        /// The text part.
        text: String,
        /// The HTML part.
        html: Option<String>,
        /// Where its receiver unsubscribes with one click (RFC 8058).
        unsubscribe: Option<String>,
    },
    /// An SMS.
    Sms {
        /// Who sends it.
        sender: SmsSettings,
        /// The text.
        text: String,
    },
    /// A request to the shop's endpoint.
    Webhook {
        /// What the endpoint is called.
        name: String,
        /// Where it goes, and with which headers.
        receiver: WebhookSettings,
        /// The text beside the data.
        text: String,
        /// The whole body, as JSON, instead of text and data.
        body: Option<String>,
    },
    /// A message of a Telegram bot.
    Telegram {
        /// How the bot writes.
        sender: TelegramSettings,
        /// The text in Telegram's HTML.
        text: String,
        /// The link of the picture.
        picture: Option<String>,
        /// The button below it.
        button: Option<LinkButton>,
    },
    /// A message of a Viber bot.
    Viber {
        /// Who sends it.
        sender: ViberSettings,
        /// The text.
        text: String,
        /// The link of the picture.
        picture: Option<String>,
        /// The button below it.
        button: Option<LinkButton>,
    },
    /// A WhatsApp message: a template that Meta has approved, and what fills its gaps.
    Whatsapp {
        /// Which number sends it.
        sender: WhatsappSettings,
        /// The template's name.
        template: String,
        /// The template's language.
        language: String,
        /// What fills the gaps of its body.
        parameters: Vec<String>,
        /// The link of the picture of its header.
        picture: Option<String>,
    },
    /// A message on the shop's pages or in its app.
    OnSite {
        /// What is shown.
        message: Box<OnSiteMessage>,
        /// The language it is written in, as a BCP 47 tag.
        language: String,
        /// The play's priority.
        priority: i32,
    },
    /// A notification in browsers.
    WebPush {
        /// How the shop shows itself to push services.
        sender: WebPushSettings,
        /// What is shown.
        message: Box<PushMessage>,
        /// The language it is written in, as a BCP 47 tag.
        language: String,
        /// The user's browsers, as they are known when it is composed.
        browsers: Vec<WebPushSubscription>,
    },
    /// A notification of the shop's app.
    MobilePush {
        /// The applications of SNS.
        sender: MobilePushSettings,
        /// What is shown.
        message: Box<PushMessage>,
        /// The user's devices, as they are known when it is composed.
        devices: Vec<MobileDevice>,
    },
}

impl Content {
    /// The same for the provider that the shop has named for what the first one cannot take; the first one is then the other.
    pub fn by_fallback(&self) -> Option<Self> {
        let Self::Sms { sender, text } = self else { return None };
        let sender = SmsSettings { provider: sender.fallback?, fallback: Some(sender.provider), ..sender.clone() };
        Some(Self::Sms { sender, text: text.clone() })
    }

    /// The text, and the subject where there is one. Of a WhatsApp message the text is what is known of it here: the
    /// template and what fills its gaps.
    pub fn subject_and_text(&self) -> (Option<&str>, Cow<'_, str>) {
        match self {
            Self::Email { subject, text, .. } => (Some(subject), text.into()),
            Self::OnSite { message, .. } => (message.title.as_deref(), message.text.as_str().into()),
            Self::WebPush { message, .. } | Self::MobilePush { message, .. } => {
                (Some(&message.title), message.body.as_str().into())
            }
            Self::Sms { text, .. } | Self::Telegram { text, .. } | Self::Viber { text, .. } => (None, text.into()),
            Self::Webhook { text, body, .. } => (None, body.as_deref().unwrap_or(text).into()),
            Self::Whatsapp { template, language, parameters, .. } => {
                (None, format!("{template} ({language}): {}", parameters.join(" | ")).into())
            }
        }
    }
}

/// What the protocol asks of the world.
pub struct Ports<'a, R, G, M, P, L, C> {
    /// The records.
    pub records: &'a R,
    /// Who may be written to.
    pub permissions: &'a G,
    /// The templates.
    pub composer: &'a M,
    /// The providers.
    pub provider: &'a P,
    /// The queue.
    pub later: &'a L,
    /// The time.
    pub clock: &'a C,
}

/// How an attempt begins.
enum Begin {
    /// The moment has passed.
    Expire,
    /// The queue has given it too often.
    GiveUp,
    /// Its provider is to be left alone for so long.
    PutOff(Span),
    /// It is composed, if its receiver still wants it.
    Compose,
}

/// A message of the batch as the queue gave it.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The queue's name for it, by which its failure is reported.
    pub receipt: String,
    /// How often the queue has given it, this time included: 1 at first.
    pub receives: u32,
    /// The message, or why it cannot be read.
    pub message: Result<DeliveryMessage, String>,
}

/// How a batch ended.
#[derive(Debug, Default)]
pub struct Delivered {
    /// The receipts of the messages that must come again, or go to the dead-letter queue.
    pub failed: Vec<String>,
    /// What became of each message, in the order of the batch.
    pub reports: Vec<Report>,
}

impl<R, G, M, P, L, C> Ports<'_, R, G, M, P, L, C>
where
    R: Records,
    G: Permissions,
    M: Composer,
    P: Provider,
    L: Later,
    C: Clock,
{
    /// Delivers a batch, all messages at the same time: the queue has no order to keep. `invocation` is
    /// unique to this call, across workers and retries.
    pub async fn deliver_batch(&self, invocation: &str, batch: Vec<Incoming>) -> Delivered {
        let begun: Vec<_> = batch
            .into_iter()
            .map(|incoming| {
                let begin =
                    incoming.message.as_ref().ok().map(|message| self.begin(message.order(), incoming.receives));
                (incoming, begin)
            })
            .collect();
        // One question for all that are to be composed.
        let composed = begun.iter().filter(|(_, begin)| matches!(begin, Some(Begin::Compose)));
        let orders: Vec<_> =
            composed.filter_map(|(incoming, _)| Some(incoming.message.as_ref().ok()?.order())).collect();
        let mut asked = Asked::for_all(self.permissions, self.clock, &orders).await.into_iter();
        let begun: Vec<_> = begun
            .iter()
            .map(|(incoming, begin)| {
                let asked = matches!(begin, Some(Begin::Compose)).then(|| asked.next()).flatten();
                (incoming, begin, asked.unwrap_or_default())
            })
            .collect();
        let messages = begun.into_iter().enumerate().map(|(index, (incoming, begin, asked))| async move {
            let report = match (&incoming.message, begin) {
                (Ok(message), Some(begin)) => {
                    // The same message twice in a batch is two workers too.
                    let worker = format!("{invocation}/{index}");
                    self.deliver_begun(message.order(), &worker, incoming.receives, begin, asked).await
                }
                (Err(why), _) => Report::unreadable(why),
                (Ok(_), None) => unreachable!("what can be read has begun"),
            };
            (incoming.receipt.clone(), report)
        });
        let mut delivered = Delivered::default();
        for (receipt, report) in join_all(messages).await {
            if report.outcome.comes_again() {
                delivered.failed.push(receipt);
            }
            delivered.reports.push(report);
        }
        delivered
    }

    /// Delivers one order. `worker` names this very attempt and no other one: by it a claim is known to
    /// be one's own. `receives` says how often the queue has given the message, this time included.
    pub async fn deliver(&self, order: &DeliveryOrder, worker: &str, receives: u32) -> Report {
        self.deliver_begun(order, worker, receives, &self.begin(order, receives), Asked::default()).await
    }

    /// What is to be done with an order, as far as the time and its provider say. A provider of which nothing is known lets one
    /// message through to see, so this is asked once a message.
    fn begin(&self, order: &DeliveryOrder, receives: u32) -> Begin {
        if self.clock.now() >= order.expires_at {
            Begin::Expire
        } else if receives > DELIVERY_ATTEMPTS_MAX {
            Begin::GiveUp
        } else {
            self.provider.wait(order).map_or(Begin::Compose, Begin::PutOff)
        }
    }

    async fn deliver_begun(
        &self,
        order: &DeliveryOrder,
        worker: &str,
        receives: u32,
        begin: &Begin,
        mut asked: Asked,
    ) -> Report {
        let last = receives >= DELIVERY_ATTEMPTS_MAX;
        let mut content = None;
        let intent = match begin {
            Begin::Expire => Intent::Expire,
            Begin::GiveUp => Intent::GiveUp,
            Begin::PutOff(wait) => return self.put_off(order, *wait, receives).await,
            Begin::Compose => match self.compose(order, &mut asked).await {
                Ok(composed) => {
                    content = Some(composed);
                    Intent::Claim
                }
                // Nobody was called yet, and it is known for how long that makes no sense.
                Err(Answer { retry_after_ms: Some(wait), .. }) => return self.put_off(order, wait, receives).await,
                Err(answer) => Intent::Answer { answer, last },
            },
        };

        let claimed = match self.enter(order, worker, &intent).await {
            Ok(record) => record,
            Err(report) => return *report,
        };
        let Some(content) = content.filter(|_| claimed.status == Status::Claimed) else {
            return Report::of(order, Outcome::of(claimed.status), claimed.answer);
        };

        let permitted = asked.again(self.permissions, self.clock, order).await;
        let before_call = self.clock.now();
        let concluded = if before_call >= order.expires_at {
            claimed.expired(before_call)
        } else if before_call >= calls_end_at(&claimed) {
            // The process was asleep: by the time the provider answers, the claim may be another's.
            let answer = Answer::new(AnswerClass::Retryable, "claim_too_old");
            claimed.answered(answer, last, before_call)
        } else if let Err(answer) = permitted {
            claimed.answered(answer, last, before_call)
        } else {
            let answer = match self.provider.send(order, &content).await {
                answer if answer.leaves_it_to_another() => {
                    let by_other = self.send_by_fallback(order, &content, &claimed, before_call, &mut asked).await;
                    by_other.unwrap_or(answer)
                }
                answer => answer,
            };
            claimed.answered(answer, last, self.clock.now())
        };
        self.conclude(order, concluded.with_text(&content), claimed.revision).await
    }

    /// Sends by the other provider what the first one has certainly not taken, while there is time. `None` without another one.
    async fn send_by_fallback(
        &self,
        order: &DeliveryOrder,
        content: &Content,
        claimed: &DeliveryRecord,
        before_call: Timestamp,
        asked: &mut Asked,
    ) -> Option<Answer> {
        let content = content.by_fallback()?;
        if let Err(answer) = asked.again(self.permissions, self.clock, order).await {
            return Some(answer);
        }
        let now = self.clock.now();
        let too_late = now.since(before_call) > SMS_FALLBACK_WITHIN || now >= calls_end_at(claimed);
        if too_late || now >= order.expires_at {
            return None;
        }
        Some(self.provider.send(order, &content).await)
    }

    /// Puts a message off until its provider may be called, or its moment has passed. Only when the queue gives it for the first
    /// or the last time: in between it may have been put off before, and would multiply with every crash. It waits in the
    /// queue then, which gives it again by itself.
    async fn put_off(&self, order: &DeliveryOrder, wait: Span, receives: u32) -> Report {
        if receives > 1 && receives < DELIVERY_ATTEMPTS_MAX {
            return Report::of(order, Outcome::Waiting, None);
        }
        let left = order.expires_at.since(self.clock.now()).max(LATER_MIN);
        let delay = wait.min(left).clamp(LATER_MIN, QUEUE_DELAY_MAX);
        match self.later.later(order, delay).await {
            Ok(()) => Report::of(order, Outcome::PutOff, None),
            Err(fault) => Report::faulty(order, Outcome::Waiting, None, fault),
        }
    }

    /// What is to be sent, if its receiver still wants it.
    async fn compose(&self, order: &DeliveryOrder, asked: &mut Asked) -> Result<Content, Answer> {
        asked.again(self.permissions, self.clock, order).await?;
        let content = self.composer.compose(order).await?;
        // A messenger's pause may have been waited for meanwhile.
        asked.again(self.permissions, self.clock, order).await?;
        Ok(content)
    }

    /// Writes what is intended into the record, or reports why this worker may not. A write whose answer
    /// was lost is repeated as it was: when the first one stands after all, it is known by its worker.
    async fn enter(&self, order: &DeliveryOrder, worker: &str, intent: &Intent) -> Result<DeliveryRecord, Box<Report>> {
        let mut found: Option<Box<DeliveryRecord>> = None;
        let mut tries = 0;
        for _ in 0..DELIVERY_CLAIM_ROUNDS_MAX {
            let now = self.clock.now();
            let expected_revision = found.as_ref().map(|record| record.revision);
            let record = match found.as_deref().map(|record| record.standing(now)) {
                Some(Standing::Done(status)) => {
                    let answer = found.and_then(|record| record.answer);
                    return Err(Box::new(Report::of(order, Outcome::AlreadyDone(status), answer)));
                }
                Some(Standing::Held { .. }) => return Err(Box::new(Report::of(order, Outcome::HeldByOther, None))),
                None | Some(Standing::Free | Standing::Abandoned) => {
                    DeliveryRecord::next(found.as_deref(), order, worker, intent, now)
                }
            };
            match self.records.put(&record, expected_revision).await {
                Ok(Put::Written) => return Ok(record),
                Ok(Put::Conflict(Some(there))) if there.is_written_by(&record) => return Ok(*there),
                Ok(Put::Conflict(there)) => found = there,
                Err(fault) => {
                    tries += 1;
                    if tries == DELIVERY_RECORD_TRIES_MAX {
                        return Err(Box::new(Report::faulty(order, Outcome::Unrecorded, None, fault)));
                    }
                }
            }
        }
        Err(Box::new(Report::of(order, Outcome::HeldByOther, None)))
    }

    /// Records how the attempt ended.
    async fn conclude(&self, order: &DeliveryOrder, mut record: DeliveryRecord, mut expected_revision: u32) -> Report {
        let mut trouble = None;
        for _ in 0..DELIVERY_RECORD_TRIES_MAX {
            match self.records.put(&record, Some(expected_revision)).await {
                Ok(Put::Written) => return Report::of(order, Outcome::of(record.status), record.answer),
                Ok(Put::Conflict(Some(there))) if there.is_written_by(&record) => {
                    return Report::of(order, Outcome::of(record.status), record.answer);
                }
                // Somebody gave our claim up for unconfirmed while the provider took its time. If we know how
                // it ended, we know better; if not, that worker has acknowledged the message, and it stays so.
                Ok(Put::Conflict(Some(there))) if there.status == Status::Unconfirmed => {
                    if !matches!(record.status, Status::Sent | Status::Refused) {
                        return Report::of(order, Outcome::AlreadyDone(Status::Unconfirmed), record.answer);
                    }
                    expected_revision = there.revision;
                    record.revision = there.revision + 1;
                }
                Ok(Put::Conflict(_)) => {
                    trouble = Some(Fault::Permanent {
                        what: "recording a delivery",
                        why: "another worker has taken the claim over".to_owned(),
                    });
                    break;
                }
                Err(fault) => trouble = Some(fault),
            }
        }
        let outcome = match record.status {
            Status::Sent => Outcome::SentUnrecorded,
            _ => Outcome::Unrecorded,
        };
        Report { fault: trouble, ..Report::of(order, outcome, record.answer) }
    }
}

/// From when on a call could outlive the claim that it is made under.
fn calls_end_at(claimed: &DeliveryRecord) -> Timestamp {
    claimed.changed_at.plus(CLAIM_LEASE).minus(PROVIDER_TIMEOUT)
}

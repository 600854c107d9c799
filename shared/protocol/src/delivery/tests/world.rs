//! A world in memory, with faults to order, and one order.

use std::cell::{Cell, RefCell};
use std::future::pending;

use futures_util::FutureExt;
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::MessageData;
use kairos_engine::playbook::{Channel, PlaybookVersion, Purpose, SmsProvider};
use kairos_engine::time::{Span, Timestamp};

use super::*;

pub(super) const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

/// A world in memory, with faults to order.
#[derive(Default)]
pub(super) struct World {
    pub(super) now: Cell<Timestamp>,
    pub(super) record: RefCell<Option<DeliveryRecord>>,
    pub(super) sends: RefCell<Vec<DeliveryId>>,
    pub(super) answer: RefCell<Option<Answer>>,
    pub(super) composed: RefCell<Option<Answer>>,
    /// For each write in turn; what is not named is well.
    pub(super) writes: RefCell<Vec<Write>>,
    /// The provider takes that long.
    pub(super) provider_takes: Cell<Span>,
    /// The worker dies while the provider works.
    pub(super) dies_in_call: Cell<bool>,
    /// The write takes that long.
    pub(super) write_takes: Cell<Span>,
    /// What stands against the message.
    pub(super) objection: RefCell<Option<Objection>>,
    /// Nobody can say what stands against it.
    pub(super) no_answer: RefCell<Option<Fault>>,
    /// The receiver refuses it while the write is under way.
    pub(super) refused_by_write: Cell<bool>,
    /// How often it was asked what stands against it, and how long each answer takes.
    pub(super) asked: Cell<u32>,
    pub(super) asking_takes: Cell<Span>,
    pub(super) workers: Cell<u32>,
    /// How long the provider is to be left alone.
    pub(super) wait: Cell<Option<Span>>,
    /// What was put off, and for how long; and whether the queue takes nothing.
    pub(super) put_off: RefCell<Vec<(DeliveryId, Span)>>,
    pub(super) queue_is_down: Cell<bool>,
    /// What the other provider of SMS answers; there is none without it.
    pub(super) fallback: RefCell<Option<Answer>>,
    pub(super) sent_by: RefCell<Vec<SmsProvider>>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Write {
    Well,
    Lost,
    AnswerLost,
    DoneTwice,
    Dies,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    async fn sleep_until(&self, time: Timestamp) {
        self.now.set(time);
    }
}

impl Records for World {
    async fn put(&self, record: &DeliveryRecord, expected_revision: Option<u32>) -> Result<Put, Fault> {
        let fault = || Fault::Retryable { what: "DeliveriesTable PutItem", why: "timed out".into() };
        self.now.set(self.now.get().plus(self.write_takes.get()));
        if self.refused_by_write.get() {
            *self.objection.borrow_mut() = Some(Objection::NoConsent);
        }
        let write = if self.writes.borrow().is_empty() { Write::Well } else { self.writes.borrow_mut().remove(0) };
        if write == Write::Lost {
            return Err(fault());
        }
        let there = self.record.borrow().clone();
        if there.as_ref().map(|there| there.revision) != expected_revision {
            return Ok(Put::Conflict(there.map(Box::new)));
        }
        // What is written goes through its stored form, as in the table.
        *self.record.borrow_mut() = Some(DeliveryRecord::from_json(&record.to_json().unwrap()).unwrap());
        match write {
            Write::AnswerLost => Err(fault()),
            Write::DoneTwice => Ok(Put::Conflict(self.record.borrow().clone().map(Box::new))),
            Write::Dies => pending().await,
            Write::Well | Write::Lost => Ok(Put::Written),
        }
    }
}

impl Permissions for World {
    async fn objections(&self, orders: &[&DeliveryOrder]) -> Vec<Result<Option<Objection>, Fault>> {
        self.asked.set(self.asked.get() + 1);
        self.now.set(self.now.get().plus(self.asking_takes.get()));
        let answer = match self.no_answer.borrow().clone() {
            Some(fault) => Err(fault),
            None => Ok(*self.objection.borrow()),
        };
        orders.iter().map(|_| answer.clone()).collect()
    }
}

impl Composer for World {
    async fn compose(&self, order: &DeliveryOrder) -> Result<Content, Answer> {
        match self.composed.borrow().clone() {
            Some(answer) => Err(answer),
            None => Ok(match order.channel {
                Channel::Email => Content::Email {
                    sender: EmailSettings { from: "hello@shop.example".into(), reply_to: None },
                    subject: "Still there".into(),
                    text: "Your mug is waiting.".into(),
                    html: None,
                    unsubscribe: None,
                },
                Channel::Sms => {
                    let fallback = self.fallback.borrow().as_ref().map(|_| SmsProvider::EndUserMessaging);
                    let sender = SmsSettings { fallback, ..SmsSettings::default() };
                    Content::Sms { sender, text: "Your mug is waiting.".into() }
                }
                Channel::Webhook => Content::Webhook {
                    name: "shop".into(),
                    receiver: WebhookSettings { url: "https://shop.example/hook".into(), ..WebhookSettings::default() },
                    text: "Your mug is waiting.".into(),
                    body: None,
                },
                Channel::OnSite => Content::OnSite {
                    message: Box::new(OnSiteMessage {
                        text: "Your mug is waiting.".into(),
                        ..OnSiteMessage::default()
                    }),
                    language: "en".into(),
                    priority: 0,
                },
                Channel::WebPush => Content::WebPush {
                    sender: WebPushSettings { contact: "mailto:web@shop.example".into() },
                    message: Box::new(PushMessage {
                        title: "Still there".into(),
                        body: "Your mug is waiting.".into(),
                        ..PushMessage::default()
                    }),
                    language: "en".into(),
                    browsers: Vec::new(),
                },
                Channel::MobilePush => Content::MobilePush {
                    sender: MobilePushSettings::default(),
                    message: Box::new(PushMessage { body: "Your mug is waiting.".into(), ..PushMessage::default() }),
                    devices: Vec::new(),
                },
                Channel::Telegram => Content::Telegram {
                    sender: TelegramSettings::default(),
                    text: "Your mug is waiting.".into(),
                    picture: None,
                    button: None,
                },
                Channel::Viber => Content::Viber {
                    sender: ViberSettings { sender: "Shop".into(), avatar: None },
                    text: "Your mug is waiting.".into(),
                    picture: None,
                    button: None,
                },
                Channel::Whatsapp => Content::Whatsapp {
                    sender: WhatsappSettings { phone_number_id: "1".into(), api_version: "v25.0".into() },
                    template: "cart".into(),
                    language: "en".into(),
                    parameters: vec!["Ada".into(), "Mug".into()],
                    picture: None,
                },
            }),
        }
    }
}

impl Later for World {
    async fn later(&self, order: &DeliveryOrder, delay: Span) -> Result<(), Fault> {
        self.put_off.borrow_mut().push((order.delivery, delay));
        if self.queue_is_down.get() {
            return Err(Fault::Retryable { what: "deliveries SendMessageBatch", why: "timed out".into() });
        }
        Ok(())
    }
}

impl Provider for World {
    fn wait(&self, _order: &DeliveryOrder) -> Option<Span> {
        self.wait.get()
    }

    async fn send(&self, order: &DeliveryOrder, content: &Content) -> Answer {
        self.now.set(self.now.get().plus(self.provider_takes.get()));
        if let Content::Sms { sender, .. } = content {
            self.sent_by.borrow_mut().push(sender.provider);
            if sender.provider == SmsProvider::EndUserMessaging {
                return self.fallback.borrow().clone().expect("only asked when there is one");
            }
        }
        self.sends.borrow_mut().push(order.delivery);
        if self.dies_in_call.get() {
            pending::<()>().await;
        }
        let sent = Answer::new(AnswerClass::Sent, "ok").with_provider_id("0100-1");
        self.answer.borrow().clone().unwrap_or(sent)
    }
}

impl World {
    pub(super) fn at_noon() -> Self {
        let world = Self::default();
        world.now.set(NOON);
        world
    }

    /// One delivery by a worker of its own; `None` when the worker died.
    pub(super) fn deliver_as(&self, channel: Channel, worker: &str, receives: u32) -> Option<Report> {
        let ports =
            Ports { records: self, permissions: self, composer: self, provider: self, later: self, clock: self };
        ports.deliver(&order(channel), worker, receives).now_or_never()
    }

    pub(super) fn deliver(&self, channel: Channel) -> Outcome {
        self.workers.set(self.workers.get() + 1);
        self.deliver_as(channel, &format!("worker {}", self.workers.get()), 1).unwrap().outcome
    }

    pub(super) fn status(&self) -> Status {
        self.record.borrow().as_ref().unwrap().status
    }

    pub(super) fn sends(&self) -> usize {
        self.sends.borrow().len()
    }

    pub(super) fn pass(&self, span: Span) {
        self.now.set(self.now.get().plus(span));
    }

    pub(super) fn answers(&self, class: AnswerClass) {
        *self.answer.borrow_mut() = Some(Answer::new(class, "code"));
    }
}

pub(super) fn order(channel: Channel) -> DeliveryOrder {
    let user = UserKey::known("42");
    DeliveryOrder {
        delivery: DeliveryId::of_decision(user, 1),
        user,
        play: "abandoned-cart".into(),
        message: "cart-reminder".into(),
        playbook: PlaybookVersion("0a1b".into()),
        channel,
        address: match channel {
            Channel::Email => "ada@example.com".into(),
            Channel::Sms => "+33600000042".into(),
            Channel::Webhook | Channel::Telegram | Channel::OnSite | Channel::WebPush | Channel::MobilePush => {
                "42".into()
            }
            Channel::Viber => "01234567890A=".into(),
            Channel::Whatsapp => "+33600000042".into(),
        },
        purpose: Purpose::Marketing,
        locale: None,
        due_at: NOON.minus(Span::from_mins(1)),
        decided_at: NOON.minus(Span::from_secs(2)),
        expires_at: NOON.plus(Span::from_hours(3)),
        why: "Left Mug in the cart 30 min ago".into(),
        correlation: None,
        who: None,
        data: MessageData::default(),
    }
}

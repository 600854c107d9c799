//! What travels between the functions. Every payload names its version, and golden files hold one of
//! each version ever written: an old message in a queue always reads.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::identifiers::{CorrelationId, DeliveryId, InputId, UserKey};
use crate::money::{Currency, Micros};
use crate::name::Name;
use crate::place::Position;
use crate::playbook::{Channel, PlaybookVersion, Purpose, TraitValue};
use crate::product::Product;
use crate::state::UserState;
use crate::time::Timestamp;
use crate::who::Dimensions;

/// A message in a user's mailbox (`events.fifo`, message group = user).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum MailboxMessage {
    /// The first version.
    #[serde(rename = "1")]
    V1 {
        /// Recognises the message itself; also its SQS deduplication id.
        id: InputId,
        /// Whose mailbox.
        user: UserKey,
        /// What happened to the user, in the order in which it is applied.
        inputs: Vec<Input>,
        /// What caused it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correlation: Option<CorrelationId>,
    },
}

impl MailboxMessage {
    /// A message with what a client reported, in the order of the user's own time (as sent, where
    /// times are equal). The same inputs always give the same message id.
    pub fn of_inputs(user: UserKey, mut inputs: Vec<Input>) -> Self {
        inputs.sort_by_key(Input::at);
        let id = InputId::of_inputs(user, inputs.iter().filter_map(Input::id));
        Self::V1 { id, user, inputs, correlation: None }
    }

    /// What one actor tells another. The id names the hop too: in a circle of links the same input comes
    /// by the same mailbox again, and the queue must not take that for a repetition and drop it.
    pub fn of_told(user: UserKey, input: Input) -> Self {
        let id = InputId::of_told(user, input.id(), input.hops());
        Self::V1 { id, user, inputs: alloc::vec![input], correlation: None }
    }

    /// A tick for an alarm due at `due_at` that rings `at`. Offers within one minute of lateness are
    /// one message to the queue; an alarm that stays unanswered is offered again each minute.
    pub fn of_tick(user: UserKey, due_at: Timestamp, at: Timestamp) -> Self {
        let minutes_late = at.since(due_at).as_millis().max(0) / 60_000;
        let id = InputId::of_tick(user, due_at, minutes_late);
        Self::V1 { id, user, inputs: alloc::vec![Input::Tick { at }], correlation: None }
    }

    /// What recognises the message itself.
    pub fn id(&self) -> InputId {
        match self {
            Self::V1 { id, .. } => *id,
        }
    }

    /// Whose mailbox it is for.
    pub fn user(&self) -> UserKey {
        match self {
            Self::V1 { user, .. } => *user,
        }
    }

    /// What the archive tells of a user's registers. `again` tells apart tries that the queue must not take for a
    /// repetition.
    pub fn of_recollection(user: UserKey, recollection: Input, again: u32) -> Self {
        let id = InputId::of_recollection(user, recollection.at(), again);
        Self::V1 { id, user, inputs: alloc::vec![recollection], correlation: None }
    }

    /// The same, caused by this.
    #[must_use]
    pub fn caused_by(self, cause: Option<CorrelationId>) -> Self {
        let Self::V1 { id, user, inputs, .. } = self;
        Self::V1 { id, user, inputs, correlation: cause }
    }

    /// What caused it, when that is known.
    pub fn correlation(&self) -> Option<&CorrelationId> {
        match self {
            Self::V1 { correlation, .. } => correlation.as_ref(),
        }
    }

    /// What it carries, in the order in which it is applied.
    pub fn inputs(&self) -> &[Input] {
        match self {
            Self::V1 { inputs, .. } => inputs,
        }
    }
}

/// Everything that can change a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// The user did something.
    Event {
        /// What.
        event: Event,
        /// How many actors have passed it on to a linked identity.
        #[serde(default, skip_serializing_if = "is_zero")]
        hops: u8,
    },
    /// An alarm rang.
    Tick {
        /// When it rang, never before it was due.
        at: Timestamp,
    },
    /// This visitor turns out to be that user.
    Link {
        /// Recognises a repetition.
        id: InputId,
        /// When that became known.
        at: Timestamp,
        /// The actor of the user.
        to: UserKey,
    },
    /// What was remembered of a visitor who turned out to be this user.
    Merge {
        /// Recognises a repetition.
        id: InputId,
        /// When that became known.
        at: Timestamp,
        /// The actor that it comes from.
        from: UserKey,
        /// How many actors have passed it on.
        hops: u8,
        /// What was remembered.
        state: Box<UserState>,
    },
    /// The price or the stock of a product has changed that this user has shown interest in.
    Catalogue {
        /// Recognises a repetition.
        id: InputId,
        /// When it changed.
        at: Timestamp,
        /// The product as it is now.
        product: Box<Product>,
        /// What has changed; several things may at once.
        changes: Vec<CatalogueChange>,
        /// How many actors have passed it on.
        #[serde(default, skip_serializing_if = "is_zero")]
        hops: u8,
    },
    /// What the archive tells of the user's behaviour from before it was watched. It comes twice without harm.
    Recollection {
        /// When it was put together.
        at: Timestamp,
        /// By what was watched then ([`crate::program::Program::fingerprint`]).
        program: u32,
        /// The newest input that it knows of: when the user has heard of another one since, it is outdated.
        up_to: InputId,
        /// A state that holds registers and nothing else: each as if it had been there from the beginning.
        state: Box<UserState>,
    },
}

/// What has become of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogueChange {
    /// It costs another amount.
    Price {
        /// Before, in the same currency.
        from: Micros,
        /// Now.
        to: Micros,
    },
    /// There is another number of it, over all stores.
    Stock {
        /// Before.
        from: u32,
        /// Now.
        to: u32,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(hops: &u8) -> bool {
    *hops == 0
}

impl Input {
    /// An event straight from a client.
    pub fn event(event: Event) -> Self {
        Self::Event { event, hops: 0 }
    }

    /// When it happened, by the user's own clock.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Event { event, .. } => event.at,
            Self::Tick { at }
            | Self::Link { at, .. }
            | Self::Merge { at, .. }
            | Self::Catalogue { at, .. }
            | Self::Recollection { at, .. } => *at,
        }
    }

    /// How many actors have passed it on.
    pub fn hops(&self) -> u8 {
        match self {
            Self::Event { hops, .. } | Self::Merge { hops, .. } | Self::Catalogue { hops, .. } => *hops,
            Self::Tick { .. } | Self::Link { .. } | Self::Recollection { .. } => 0,
        }
    }

    /// What recognises a repetition; a tick needs nothing, since one that comes twice finds nothing due, nor does a
    /// recollection, which changes nothing the second time.
    pub fn id(&self) -> Option<InputId> {
        match self {
            Self::Event { event, .. } => Some(event.id),
            Self::Tick { .. } | Self::Recollection { .. } => None,
            Self::Link { id, .. } | Self::Merge { id, .. } | Self::Catalogue { id, .. } => Some(*id),
        }
    }
}

/// A request to wake a user (the delay queue of alarms).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum AlarmMessage {
    /// The first version.
    #[serde(rename = "1")]
    V1 {
        /// Whom to wake.
        user: UserKey,
        /// When, and not before.
        due_at: Timestamp,
    },
}

/// A message that was decided and is to be sent (the deliveries queue).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum DeliveryMessage {
    /// The first version.
    #[serde(rename = "1")]
    V1(Box<DeliveryOrder>),
}

impl DeliveryMessage {
    /// What is to be sent.
    pub fn order(&self) -> &DeliveryOrder {
        match self {
            Self::V1(order) => order,
        }
    }
}

/// What to send to whom, and until when it makes sense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryOrder {
    /// Which message: claimed before sending, the idempotency key towards providers.
    pub delivery: DeliveryId,
    /// To whom.
    pub user: UserKey,
    /// The play that decided it.
    pub play: String,
    /// The message of the playbook to render.
    pub message: String,
    /// The playbook that decided it, whose templates are used.
    pub playbook: PlaybookVersion,
    /// The channel.
    pub channel: Channel,
    /// The address on that channel.
    pub address: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Purpose::is_marketing")]
    pub purpose: Purpose,
    /// The user's language, as a BCP 47 tag, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// When the moment was due, by the user's own clock.
    pub due_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// When the moment has passed: not sent from then on.
    pub expires_at: Timestamp,
    /// Why, in a sentence for a person.
    pub why: String,
    /// What caused it: the request, or the run of a function, whose message was being applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<CorrelationId>,
    /// What was known of the user then, for figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Box<Dimensions>>,
    /// What templates can show.
    pub data: MessageData,
}

/// What templates can show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MessageData {
    /// The user.
    pub user: PersonData,
    /// The user's cart.
    pub cart: CartData,
    /// What the play is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// What the product cost before its price changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_was: Option<Micros>,
    /// The products looked at last, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub viewed: Vec<Product>,
    /// Properties of the event that started the play, as far as its messages show them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event: BTreeMap<String, TraitValue>,
    /// The place that was entered; delivery looks for the nearest one with the product when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where the user was last seen, as far as a place is to be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What the user holds in the hand.
    #[serde(default, skip_serializing_if = "DeviceData::is_unknown")]
    pub device: DeviceData,
    /// The user's time zone, as an IANA name, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The products bought last ([`crate::bought::key`]), which are not offered again, when messages show related ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bought: Vec<u64>,
}

/// What templates can show of the user's device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceData {
    /// `phone`, `tablet`, `desktop` or `tv`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
}

impl DeviceData {
    /// Whether nothing is known.
    pub const fn is_unknown(&self) -> bool {
        self.kind.is_none() && self.os.is_none()
    }
}

/// What templates can show of the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PersonData {
    /// The id under which the shop knows the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
}

/// What templates can show of the cart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CartData {
    /// The products, the one changed last first.
    pub items: Vec<Product>,
    /// The sum of all prices, when every product has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Micros>,
    /// The currency, when all products share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

/// What a commit wants done in the world. Effects are kept in the outbox until they are known to
/// have been handed over; handing one over twice is harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Send a message (the deliveries queue; the receiver claims the delivery id first).
    Deliver(Box<DeliveryOrder>),
    /// Tell another actor (its mailbox; the receiver recognises the input id).
    Tell {
        /// Which actor.
        user: UserKey,
        /// What.
        input: Box<Input>,
    },
    /// This user has entered or left a segment: a fact, which is sent to nobody. Who is in a segment stands in the
    /// users' states.
    Member {
        /// Who.
        user: UserKey,
        /// Which segment.
        segment: Name,
        /// Entered, or left.
        entered: bool,
        /// When.
        at: Timestamp,
        /// Rises with each change of this user.
        number: u64,
    },
    /// This user cares about a product: noted in the index of interests before the commit, not after it.
    Interested(InterestNote),
    /// Wake this user soon (the delay queue; a needless tick is ignored).
    Wake {
        /// Whom.
        user: UserKey,
        /// When.
        due_at: Timestamp,
    },
}

impl Effect {
    /// Notes what caused a message. (What actors tell each other is caused by the run that tells it.)
    pub(crate) fn caused_by(&mut self, cause: Option<&CorrelationId>) {
        if let Self::Deliver(order) = self {
            order.correlation = cause.cloned();
        }
    }
}

/// A user cares about a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterestNote {
    /// Who.
    pub user: UserKey,
    /// The product's id.
    pub product: Name,
    /// Since when.
    pub at: Timestamp,
}

//! Counts: what can be added up, of any rows in any order.
//!
//! Each row of the archive says all that is counted of it, so [`Counts::note`] needs nothing else, and counts of parts of the
//! rows add up to those of all of them ([`Additive::add`]). `archive` adds those of each object that it has written to its
//! hour's; a recount of the hour's objects gives the same. `docs/figures.md` tells what each figure means.
//!
//! What needs a user's rows together (funnels, attribution, cohorts, experiments) is the [`crate::Tally`]'s.

use kairos_engine::bounds::{
    FIGURES_AFTER_MESSAGE, FIGURES_CURRENCIES_MAX, FIGURES_PER_PLAY_MAX, FIGURES_PLAYS_MAX,
    FIGURES_SEGMENTS_PER_PLAY_MAX, FIGURES_SOURCES_MAX, FIGURES_SOURCES_PER_PLAY_MAX, SEGMENTS_MAX,
};
use kairos_engine::event::{Event, EventKind, FEEDBACK, INBOX, LINKS, PREFERENCES, REDEMPTIONS};
use kairos_engine::event_name::EventName;
use kairos_engine::facts::{Decision, DeliveryFact, DeliveryOutcome, Fact, Row};
use kairos_engine::mailbox::Input;
use kairos_engine::money::Micros;
use kairos_engine::who::Dimensions;
use serde_json::Value;

mod parts;

use parts::additive;
pub use parts::{Additive, OTHER, Parts, Spans};

/// What is not known is counted under this name.
pub const UNKNOWN: &str = "(unknown)";
/// The source of those who came by themselves, or of whom nobody has said where they came from.
pub const DIRECT: &str = "(direct)";

/// Standard events, and one for each other call of the Segment spec.
const STANDARD_EVENTS_MAX: usize = 96;

additive! {
    /// An amount, and how many said one.
    Amount {
        /// How many.
        count: u64,
        /// How much together, in millionths.
        value: Micros,
    }
}

/// Amounts by currency; those without one under [`UNKNOWN`].
pub type Amounts = Parts<Amount, FIGURES_CURRENCIES_MAX>;

additive! {
    /// What plays did, and what came of it.
    Tallies {
        /// Moments that came to a decision: sent, held out or not sent.
        considered: u64,
        /// Messages that were ordered.
        sent: u64,
        /// Messages that waited for the end of quiet hours.
        held: u64,
        /// Messages that somebody was held out of.
        held_out: u64,
        /// Waits that ended because what they waited for came.
        cancelled: u64,
        /// Goals reached within the attribution window after a message.
        converted: u64,
        /// What they were worth.
        value: Amounts,
        /// Goals reached by those who were held out.
        converted_held_out: u64,
        /// What they were worth.
        value_held_out: Amounts,
        /// Messages that their providers have taken.
        accepted: u64,
        /// Messages that have reached their receivers.
        delivered: u64,
        /// Messages that were opened, read, or seen on the page; each once.
        opened: u64,
        /// Links that were followed, each link of a message once, and messages on pages that were clicked.
        clicked: u64,
        /// Messages that were closed on the page.
        dismissed: u64,
        /// Channels that users refused by a link of a message, or by answering STOP. (Which play it was is not told.)
        unsubscribed: u64,
        /// Messages that were called spam.
        complained: u64,
        /// Messages that came back for now.
        bounced: u64,
        /// Messages that were taken, and will not arrive.
        undeliverable: u64,
        /// Messages that will never be let through: by their provider, the templates, or consent.
        refused: u64,
        /// Messages whose moment had passed before they could be sent.
        expired: u64,
        /// Messages that were perhaps sent, and are not tried again.
        unconfirmed: u64,
        /// Messages that could not be sent in all attempts. (One that is then sent by hand is counted there, too.)
        failed: u64,
        /// Promo codes that were redeemed.
        redeemed: u64,
    }
}

additive! {
    /// What was bought.
    Orders {
        /// Orders.
        orders: u64,
        /// What they were worth, as far as they say.
        value: Amounts,
        /// Those that came within a week after a message to their user.
        after_message: u64,
        /// What those were worth.
        value_after_message: Amounts,
        /// Refunds.
        refunds: u64,
        /// What was given back, as far as they say.
        refunded: Amounts,
    }
}

additive! {
    /// What was done and what was bought, of users with something in common.
    Cut {
        /// What plays did.
        plays: Tallies,
        /// What was bought.
        orders: Orders,
    }
}

additive! {
    /// One play.
    PlayCounts {
        /// Altogether.
        total: Tallies,
        /// Why moments led to no message.
        not_sent: Parts<u64, 32>,
        /// Held out, by group.
        held_out: Parts<u64, 16>,
        /// By message (the step), and then by channel.
        messages: Parts<Parts<Tallies, 12>, FIGURES_PER_PLAY_MAX>,
        /// By drawn variant, as `SPLIT: VARIANT`. Who is in several splits counts in each.
        variants: Parts<Tallies, FIGURES_PER_PLAY_MAX>,
        /// By where the user came from.
        sources: Parts<Tallies, FIGURES_SOURCES_PER_PLAY_MAX>,
        /// By kind of device.
        devices: Parts<Tallies, FIGURES_CURRENCIES_MAX>,
        /// By country.
        regions: Parts<Tallies, FIGURES_SOURCES_PER_PLAY_MAX>,
        /// By segment. Who is in several counts in each.
        segments: Parts<Tallies, FIGURES_SEGMENTS_PER_PLAY_MAX>,
        /// How long after the message its goal was reached.
        time_to_goal: Spans,
    }
}

additive! {
    /// Who entered and left a segment.
    Moves {
        /// How many entered.
        entered: u64,
        /// How many left.
        left: u64,
    }
}

additive! {
    /// Redeemed codes of one promotion.
    Redemptions {
        /// In the online shop.
        online: u64,
        /// In stores.
        in_store: u64,
        /// What they saved their users.
        discounts: Amounts,
    }
}

additive! {
    /// The counts of some rows. Their sum is a count, too.
    Counts {
        /// Rows that were counted.
        rows: u64,
        /// Rows of the objects that could not be read: a newer version has written them.
        unreadable: u64,
        /// Facts that had no room in their user's item: so many are missing.
        omitted: u64,
        /// By play.
        plays: Parts<PlayCounts, FIGURES_PLAYS_MAX>,
        /// What all plays did and what was bought, altogether.
        total: Cut,
        /// By where the user came from.
        sources: Parts<Cut, FIGURES_SOURCES_MAX>,
        /// By campaign.
        campaigns: Parts<Cut, FIGURES_SOURCES_MAX>,
        /// By kind of device.
        devices: Parts<Cut, FIGURES_CURRENCIES_MAX>,
        /// By country.
        regions: Parts<Cut, FIGURES_SOURCES_MAX>,
        /// By segment. Who is in several counts in each.
        segments: Parts<Cut, SEGMENTS_MAX>,
        /// By channel.
        channels: Parts<Tallies, 12>,
        /// From the first interaction of a user to an order.
        first_to_order: Spans,
        /// From the newest message to an order.
        message_to_order: Spans,
        /// Events of the shared vocabulary, and calls that are no `track` as `(page)`, `(identify)` and so on.
        events: Parts<u64, STANDARD_EVENTS_MAX>,
        /// The shop's own events.
        custom_events: Parts<u64, FIGURES_SOURCES_MAX>,
        /// Who entered and left which segment.
        memberships: Parts<Moves, SEGMENTS_MAX>,
        /// How often users came into each micro-moment.
        moments: Parts<u64, 4>,
        /// Promo codes, by promotion.
        promotions: Parts<Redemptions, FIGURES_SOURCES_MAX>,
    }
}

/// Where something is counted, besides altogether.
#[derive(Clone, Copy, Default)]
struct Place<'r> {
    play: Option<&'r str>,
    message: Option<&'r str>,
    channel: Option<&'r str>,
    who: Option<&'r Dimensions>,
}

impl Counts {
    /// Counts a row.
    pub fn note(&mut self, row: &Row) {
        self.rows.add(&1);
        match &row.fact {
            Fact::Input { input, who, .. } => {
                if let Input::Event { event, .. } = input.as_ref() {
                    self.event(event, who.as_deref());
                }
            }
            Fact::Decision(decision) => self.decision(decision),
            Fact::Delivery(delivery) => self.delivery(delivery),
            Fact::Segment { segment, entered, .. } => {
                let moves = self.memberships.of(segment);
                let count = if *entered { &mut moves.entered } else { &mut moves.left };
                count.add(&1);
            }
            Fact::Moment { moment, .. } => self.moments.of(moment.as_str()).add(&1),
            Fact::Omitted { facts, .. } => self.omitted.add(&(*facts as u64)),
            Fact::Merged { .. } => {}
        }
    }

    fn event(&mut self, event: &Event, who: Option<&Dimensions>) {
        let (name, properties) = match &event.kind {
            EventKind::Track { event, properties } => (event, properties),
            other => return self.events.of(call(other)).add(&1),
        };
        match name {
            EventName::Custom(name) => self.custom_events.of(name).add(&1),
            name => self.events.of(name.as_str()).add(&1),
        }
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let place = Place { play: text("play"), message: text("message"), channel: text("channel"), who };
        // Of what only our own functions tell, nobody else is heard.
        match (name, event.source.as_str()) {
            (EventName::OrderCompleted | EventName::OrderRefunded, _) => self.order(event, text("currency"), who),
            (EventName::MessageOpened, LINKS) => self.tally(place, |tallies| tallies.opened.add(&1)),
            (EventName::MessageLinkClicked, LINKS) => self.tally(place, |tallies| tallies.clicked.add(&1)),
            (EventName::Custom(name), INBOX) => {
                let place = Place { channel: Some("on_site"), ..place };
                match name.as_ref() {
                    "On-site Message Seen" => self.tally(place, |tallies| tallies.opened.add(&1)),
                    "On-site Message Clicked" => self.tally(place, |tallies| tallies.clicked.add(&1)),
                    "On-site Message Dismissed" => self.tally(place, |tallies| tallies.dismissed.add(&1)),
                    _ => {}
                }
            }
            (EventName::CouponApplied, REDEMPTIONS) => {
                // Its `channel` is where the code was used.
                self.tally(Place { channel: None, ..place }, |tallies| tallies.redeemed.add(&1));
                let discount = properties.get("discount").and_then(Micros::from_json);
                let promotion = self.promotions.of(text("coupon_id").unwrap_or(UNKNOWN));
                let used =
                    if text("channel") == Some("in_store") { &mut promotion.in_store } else { &mut promotion.online };
                used.add(&1);
                note_amount(&mut promotion.discounts, text("currency"), discount);
            }
            // What becomes of a delivery its own record tells; but who wants no more says so here.
            (EventName::ConsentUpdated, PREFERENCES) if text("choice") == Some("refused") => {
                let place = Place { play: who.and_then(|who| who.play.as_deref()), ..place };
                self.tally(place, |tallies| tallies.unsubscribed.add(&1));
            }
            (EventName::AddressSuppressed, FEEDBACK) if text("reason") == Some("stop") => {
                self.tally(place, |tallies| tallies.unsubscribed.add(&1));
            }
            _ => {}
        }
    }

    fn order(&mut self, event: &Event, currency: Option<&str>, who: Option<&Dimensions>) {
        let is_refund = matches!(event.kind, EventKind::Track { event: EventName::OrderRefunded, .. });
        let since_message = who.and_then(|who| who.since_message);
        let is_after = since_message.is_some_and(|since| since <= FIGURES_AFTER_MESSAGE);
        let mut orders = Orders::default();
        if is_refund {
            orders.refunds = 1;
            note_amount(&mut orders.refunded, currency, event.worth());
        } else {
            orders.orders = 1;
            note_amount(&mut orders.value, currency, event.worth());
            if is_after {
                orders.after_message = 1;
                note_amount(&mut orders.value_after_message, currency, event.worth());
            }
            if let Some(since) = who.and_then(|who| who.since_first) {
                self.first_to_order.note(since);
            }
            if let Some(since) = since_message {
                self.message_to_order.note(since);
            }
        }
        self.each_cut(who, |cut| cut.orders.add(&orders));
    }

    fn decision(&mut self, decision: &Decision) {
        let place = Place {
            play: Some(&decision.play),
            message: decision.message.as_deref(),
            channel: decision.channel.map(|channel| channel.as_str()),
            who: decision.who.as_deref(),
        };
        let currency = decision.currency.as_ref().map(|currency| currency.as_str());
        match decision.outcome.as_str() {
            "sent" => self.tally(place, |tallies| {
                tallies.considered.add(&1);
                tallies.sent.add(&1);
            }),
            "held_out" => {
                self.tally(place, |tallies| {
                    tallies.considered.add(&1);
                    tallies.held_out.add(&1);
                });
                let group = decision.group.as_deref().unwrap_or(UNKNOWN);
                self.plays.of(&decision.play).held_out.of(group).add(&1);
            }
            "held" => self.tally(place, |tallies| tallies.held.add(&1)),
            "cancelled" => self.tally(place, |tallies| tallies.cancelled.add(&1)),
            "converted" => {
                self.tally(place, |tallies| {
                    tallies.converted.add(&1);
                    note_amount(&mut tallies.value, currency, decision.value);
                });
                if let Some(after) = decision.after {
                    self.plays.of(&decision.play).time_to_goal.note(after);
                }
            }
            "converted_held_out" => self.tally(place, |tallies| {
                tallies.converted_held_out.add(&1);
                note_amount(&mut tallies.value_held_out, currency, decision.value);
            }),
            outcome => {
                if let Some(reason) = outcome.strip_prefix("not_sent_") {
                    // Which message it would have been depends on more than the channel that was not allowed.
                    self.tally(Place { channel: None, ..place }, |tallies| tallies.considered.add(&1));
                    self.plays.of(&decision.play).not_sent.of(reason).add(&1);
                }
            }
        }
    }

    fn delivery(&mut self, delivery: &DeliveryFact) {
        let place = Place {
            play: Some(&delivery.play),
            message: Some(&delivery.message),
            channel: Some(delivery.channel.as_str()),
            who: delivery.who.as_deref(),
        };
        self.tally(place, |tallies| {
            match delivery.outcome {
                DeliveryOutcome::Accepted => &mut tallies.accepted,
                DeliveryOutcome::Expired => &mut tallies.expired,
                DeliveryOutcome::Refused => &mut tallies.refused,
                DeliveryOutcome::Unconfirmed => &mut tallies.unconfirmed,
                DeliveryOutcome::Failed => &mut tallies.failed,
                DeliveryOutcome::Delivered => &mut tallies.delivered,
                DeliveryOutcome::Read => &mut tallies.opened,
                DeliveryOutcome::Bounced => &mut tallies.bounced,
                DeliveryOutcome::Undeliverable => &mut tallies.undeliverable,
                DeliveryOutcome::Complained => &mut tallies.complained,
            }
            .add(&1);
        });
    }

    /// Counts something of plays wherever it belongs.
    fn tally(&mut self, place: Place<'_>, note: impl Fn(&mut Tallies)) {
        self.each_cut(place.who, |cut| note(&mut cut.plays));
        if let Some(channel) = place.channel {
            note(self.channels.of(channel));
        }
        let Some(play) = place.play else { return };
        let play = self.plays.of(play);
        note(&mut play.total);
        if let Some(message) = place.message {
            note(play.messages.of(message).of(place.channel.unwrap_or(UNKNOWN)));
        }
        let Some(who) = place.who else { return };
        for (split, variant) in &who.variants {
            note(play.variants.of(&format!("{split}: {variant}")));
        }
        note(play.sources.of(who.source.as_deref().unwrap_or(DIRECT)));
        note(play.devices.of(who.device.as_deref().unwrap_or(UNKNOWN)));
        note(play.regions.of(who.region.as_deref().unwrap_or(UNKNOWN)));
        for segment in &who.segments {
            note(play.segments.of(segment));
        }
    }

    /// Counts something altogether, and by what is known of the user.
    fn each_cut(&mut self, who: Option<&Dimensions>, note: impl Fn(&mut Cut)) {
        note(&mut self.total);
        let Some(who) = who else { return };
        note(self.sources.of(who.source.as_deref().unwrap_or(DIRECT)));
        if let Some(campaign) = &who.campaign {
            note(self.campaigns.of(campaign));
        }
        note(self.devices.of(who.device.as_deref().unwrap_or(UNKNOWN)));
        note(self.regions.of(who.region.as_deref().unwrap_or(UNKNOWN)));
        for segment in &who.segments {
            note(self.segments.of(segment));
        }
    }

    /// The counts of rows.
    pub fn of<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Self {
        let mut counts = Self::default();
        rows.into_iter().for_each(|row| counts.note(row));
        counts
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        self.add(other);
    }
}

/// The name of a call that is no `track`.
const fn call(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Track { .. } => "(track)",
        EventKind::Identify { .. } => "(identify)",
        EventKind::Page { .. } => "(page)",
        EventKind::Screen { .. } => "(screen)",
        EventKind::Group { .. } => "(group)",
        EventKind::Alias { .. } => "(alias)",
    }
}

fn note_amount(amounts: &mut Amounts, currency: Option<&str>, value: Option<Micros>) {
    if let Some(value) = value {
        let currency = currency.map(str::trim).filter(|currency| !currency.is_empty());
        amounts.of(&currency.map_or_else(|| UNKNOWN.to_owned(), str::to_uppercase)).add(&Amount { count: 1, value });
    }
}

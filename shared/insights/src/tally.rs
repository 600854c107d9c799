//! Counts rows.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::facts::{Decision, DeliveryFact, DeliveryOutcome, Fact, Row};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::money::Micros;
use kairos_engine::name::Name;
use kairos_engine::outcome::InputOutcome;
use kairos_engine::playbook::{Channel, Playbook};
use kairos_engine::time::{Span, Timestamp};

use crate::attribution::Crediting;
use crate::calendar::{note_churn, note_hours};
use crate::experiments::Exposures;
use crate::funnels::FunnelCount;
use crate::insights::{HourReport, Insights, RedemptionReport};
use crate::micros::Counting;
use crate::moments::{Moments, Seen};
use crate::orders::Orders;
use crate::report::{CustomerReport, MessageReport, Month, Report};
use crate::warnings;
use crate::watched::{Redemption, Watched, redemption};

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Delivered,
    Opened,
    Clicked,
    Dismissed,
    Failed,
    Complained,
}

/// A message on a channel.
type MessageKey = (Name, String, Channel);

/// Counts of rows so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    report: Report,
    /// How far each user's rows have been counted.
    reached: BTreeMap<UserKey, (u64, usize)>,
    /// The rows of deliveries that were counted.
    reached_deliveries: BTreeSet<(DeliveryId, u64, usize)>,
    /// Which message a delivery is.
    deliveries: BTreeMap<DeliveryId, MessageKey>,
    sent: BTreeMap<MessageKey, u64>,
    fates: BTreeSet<(DeliveryId, Fate)>,
    times_to_goal: BTreeMap<Name, Vec<Span>>,
    /// How many orders each user placed in each month.
    bought: BTreeMap<UserKey, BTreeMap<Month, u64>>,
    /// Who turned out to be whom.
    became: BTreeMap<UserKey, UserKey>,
    exposures: Exposures,
    watched: Watched,
    moments: Moments,
    redemptions: BTreeMap<(u16, String), RedemptionReport>,
}

impl Tally {
    /// With what this playbook declares: its conversions and funnels, and the shop's time zone.
    pub fn of(playbook: &Playbook) -> Self {
        Self { watched: Watched::of(playbook), ..Self::default() }
    }

    /// Counts a row. Those of each user have to come in their order, as files hold them in the order of their names; those of
    /// deliveries in any.
    pub fn note(&mut self, row: &Row) {
        if let Fact::Delivery(delivery) = &row.fact {
            if self.reached_deliveries.insert((delivery.delivery, row.revision, row.number)) {
                self.report.rows += 1;
                self.delivery(delivery);
            } else {
                self.report.repeated += 1;
            }
            return;
        }
        let place = (row.revision, row.number);
        if self.reached.get(&row.user).is_some_and(|reached| place <= *reached) {
            self.report.repeated += 1;
            return;
        }
        self.reached.insert(row.user, place);
        self.report.rows += 1;
        let at = row.fact.at();
        self.report.from = Some(self.report.from.map_or(at, |from| from.min(at)));
        self.report.to = self.report.to.max(Some(at));
        match &row.fact {
            Fact::Input { input, outcome, .. } => self.input(row.user, input, *outcome),
            Fact::Merged { from, .. } => drop(self.became.insert(*from, row.user)),
            Fact::Decision(decision) => self.decision(row.user, decision),
            Fact::Segment { at, segment, entered } => {
                let segment = self.moments.names.number(segment);
                self.moments.note(row.user, *at, Seen::Segment { segment, entered: *entered });
            }
            // A delivery has its own order, and is counted above.
            Fact::Moment { .. } | Fact::Delivery(_) => {}
            Fact::Omitted { facts, .. } => self.report.omitted += *facts as u64,
        }
    }

    /// What has become of a delivery, by its own record. The user's mailbox may have heard of it, too: a fate counts once.
    fn delivery(&mut self, delivery: &DeliveryFact) {
        let fate = match delivery.outcome {
            DeliveryOutcome::Delivered => Fate::Delivered,
            DeliveryOutcome::Read => Fate::Opened,
            DeliveryOutcome::Complained => Fate::Complained,
            DeliveryOutcome::Undeliverable | DeliveryOutcome::Refused | DeliveryOutcome::Failed => Fate::Failed,
            DeliveryOutcome::Accepted
            | DeliveryOutcome::Expired
            | DeliveryOutcome::Unconfirmed
            | DeliveryOutcome::Bounced => return,
        };
        self.fates.insert((delivery.delivery, fate));
    }

    fn input(&mut self, user: UserKey, input: &Input, outcome: InputOutcome) {
        match (input, outcome) {
            (Input::Event { event, .. }, _) => self.event(user, event),
            (Input::Link { to, .. }, InputOutcome::Linked) => drop(self.became.insert(user, *to)),
            _ => {}
        }
    }

    fn event(&mut self, user: UserKey, event: &Event) {
        self.watched.event(user, event, &mut self.moments);
        if let Some(Redemption { promotion, channel, discount, total, currency }) = redemption(event) {
            let number = self.moments.names.number(promotion);
            let new = || RedemptionReport::new(self.moments.names.name(number), channel);
            let report = self.redemptions.entry((number, channel.to_owned())).or_insert_with(new);
            report.count += 1;
            let currency = currency.to_uppercase();
            discount.iter().for_each(|discount| report.discount.add(&currency, *discount));
            total.iter().for_each(|total| report.total.add(&currency, *total));
        }
        let EventKind::Track { event: name, properties } = &event.kind else { return };
        if matches!(name, EventName::OrderCompleted | EventName::OrderRefunded) {
            let currency = properties.get("currency").and_then(|currency| currency.as_str()).unwrap_or_default();
            let orders = self.report.orders.entry(currency.to_uppercase()).or_default();
            let worth = event.worth();
            if *name == EventName::OrderRefunded {
                orders.refunds += 1;
                orders.refunded = orders.refunded.plus(worth.unwrap_or_default());
            } else {
                orders.count += 1;
                orders.with_value += u64::from(worth.is_some());
                orders.value = orders.value.plus(worth.unwrap_or_default());
                if let Some(month) = Month::of(event.at) {
                    *self.bought.entry(user).or_default().entry(month).or_default() += 1;
                }
            }
        }
        let fate = match name {
            EventName::EmailDelivered | EventName::MessageDelivered => Fate::Delivered,
            EventName::MessageOpened | EventName::MessageRead => Fate::Opened,
            EventName::MessageLinkClicked => Fate::Clicked,
            EventName::EmailBounced | EventName::MessageFailed => Fate::Failed,
            EventName::EmailMarkedAsSpam => Fate::Complained,
            EventName::Custom(name) => match name.as_ref() {
                "On-site Message Seen" => Fate::Opened,
                "On-site Message Clicked" => Fate::Clicked,
                "On-site Message Dismissed" => Fate::Dismissed,
                _ => return,
            },
            _ => return,
        };
        let delivery = properties.get("delivery_id").and_then(|id| id.as_str()).and_then(DeliveryId::parse);
        if let Some(delivery) = delivery {
            self.fates.insert((delivery, fate));
        }
    }

    fn decision(&mut self, user: UserKey, decision: &Decision) {
        let play = self.report.plays.entry(decision.play.clone()).or_default();
        let value = decision.value.unwrap_or_default();
        match decision.outcome.as_str() {
            "sent" => {
                play.considered += 1;
                play.sent += 1;
                if let (Some(message), Some(channel)) = (&decision.message, decision.channel) {
                    let key = (decision.play.clone(), message.clone(), channel);
                    if let Some(delivery) = decision.delivery {
                        self.deliveries.insert(delivery, key.clone());
                    }
                    *self.sent.entry(key).or_default() += 1;
                }
                self.watched.sent(user, decision, &mut self.moments);
                self.exposures.exposed(&decision.play, user, None);
            }
            "held_out" => {
                play.considered += 1;
                let group = decision.group.clone().unwrap_or_default();
                *play.held_out.entry(group.clone()).or_default() += 1;
                self.exposures.exposed(&decision.play, user, Some(&group));
            }
            "held" => play.held += 1,
            "cancelled" => play.cancelled += 1,
            "converted" => {
                play.converted += 1;
                play.value = play.value.plus(value);
                self.converted(user, decision, value);
            }
            "converted_held_out" => {
                play.converted_held_out += 1;
                play.value_held_out = play.value_held_out.plus(value);
                self.converted(user, decision, value);
            }
            "assigned" => {
                if let (Some(split), Some(variant)) = (&decision.split, &decision.variant) {
                    self.exposures.assigned(&decision.play, user, split, variant);
                }
            }
            reason if reason.starts_with("not_sent_") => {
                play.considered += 1;
                *play.not_sent.entry(reason["not_sent_".len()..].to_owned()).or_default() += 1;
            }
            // A wait that began, a way that came to its end.
            _ => {}
        }
    }

    fn converted(&mut self, user: UserKey, decision: &Decision, value: Micros) {
        self.exposures.converted(&decision.play, user, value);
        if decision.sent == Some(true)
            && let Some(after) = decision.after
        {
            self.times_to_goal.entry(decision.play.clone()).or_default().push(after);
        }
    }

    /// Who a user is by now.
    fn person(&self, user: UserKey) -> UserKey {
        person(&self.became, user)
    }

    /// What the rows say.
    pub fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.people = self.reached.keys().map(|user| self.person(*user)).collect::<BTreeSet<_>>().len() as u64;
        report.customers = self.customers();
        let mut fates: BTreeMap<(&MessageKey, Fate), u64> = BTreeMap::new();
        for (delivery, fate) in &self.fates {
            // A delivery of before the period belongs to that.
            if let Some(message) = self.deliveries.get(delivery) {
                *fates.entry((message, *fate)).or_default() += 1;
            }
        }
        for (key, sent) in &self.sent {
            let of = |fate| fates.get(&(key, fate)).copied().unwrap_or_default();
            let (play, message, channel) = key;
            report.plays.entry(play.clone()).or_default().messages.push(MessageReport {
                message: message.clone(),
                channel: *channel,
                sent: *sent,
                delivered: of(Fate::Delivered),
                opened: of(Fate::Opened),
                clicked: of(Fate::Clicked),
                dismissed: of(Fate::Dismissed),
                failed: of(Fate::Failed),
                complained: of(Fate::Complained),
            });
        }
        for (play, times) in &self.times_to_goal {
            let mut times = times.clone();
            times.sort_unstable();
            if let Some(play) = report.plays.get_mut(play) {
                play.median_time_to_goal = times.get((times.len() - 1) / 2).copied();
            }
        }
        report
    }

    fn customers(&self) -> CustomerReport {
        let mut people: BTreeMap<UserKey, BTreeMap<Month, u64>> = BTreeMap::new();
        for (user, months) in &self.bought {
            let person = people.entry(self.person(*user)).or_default();
            for (month, orders) in months {
                *person.entry(*month).or_default() += orders;
            }
        }
        let mut customers = CustomerReport::default();
        for months in people.values() {
            *customers.by_orders.entry(months.values().sum()).or_default() += 1;
            let Some((first, _)) = months.first_key_value() else { continue };
            let cohort = customers.cohorts.entry(*first).or_default();
            for month in months.keys() {
                let later = month.since(*first);
                cohort.resize(cohort.len().max(later + 1), 0);
                cohort[later] += 1;
            }
        }
        customers
    }

    /// What needs each person's rows together.
    pub fn insights(&self) -> Insights {
        let from = self.report.from.unwrap_or_default();
        let end = self.report.to.unwrap_or_default();
        let conversions = &*self.watched.conversions;
        let attribution = &conversions.attribution;
        let mut counting = Counting::new(conversions, &self.moments, from, end);
        let funnels = (0..).zip(&conversions.funnels);
        let mut funnels: Vec<FunnelCount<'_>> =
            funnels.map(|(number, funnel)| FunnelCount::new(number, funnel, attribution, &self.moments)).collect();
        let macros = (0..).zip(&conversions.macros);
        let mut crediting: Vec<Crediting<'_>> =
            macros.map(|(number, one)| Crediting::new(number, one, attribution, &self.moments)).collect();
        let mut orders = Orders::new(&self.moments, attribution.window);
        let mut hours = HourReport { time_zone: self.watched.time_zone.clone(), ..HourReport::default() };
        let mut churn = BTreeMap::new();
        self.moments.each_person(
            |user| self.person(user),
            |person| {
                counting.note(person);
                funnels.iter_mut().for_each(|funnel| funnel.note(person));
                crediting.iter_mut().for_each(|one| one.note(person));
                orders.note(person);
                note_hours(&mut hours, &self.watched.clock, person);
                note_churn(&mut churn, person);
            },
        );
        counting.finish();
        let (first_interaction_to_order, message_to_order) = orders.times();
        let mut redemptions: Vec<_> = self.redemptions.values().cloned().collect();
        redemptions.sort_by(|one, two| (&one.promotion, &one.channel).cmp(&(&two.promotion, &two.channel)));
        let warnings = counting.micros.iter().zip(&counting.strata);
        let warnings = warnings.flat_map(|(micro, strata)| warnings::of_micro(micro, strata)).collect();
        Insights {
            people: counting.people,
            macros: counting.macros,
            micros: counting.micros,
            funnels: funnels.into_iter().map(FunnelCount::finish).collect(),
            attribution: crediting.into_iter().map(Crediting::finish).collect(),
            rfm: orders.rfm(end),
            hours,
            redemptions,
            order_values: orders.values(),
            first_interaction_to_order,
            message_to_order,
            churn,
            warnings,
        }
    }

    /// How many moments of people were not remembered, because there were too many: they are missing in
    /// [`Tally::insights`].
    pub fn moments_left_out(&self) -> u64 {
        self.moments.room.left_out
    }

    /// Who got what, by person.
    pub fn exposures(&self) -> Exposures {
        self.exposures.by(|user| self.person(user))
    }

    /// The latest fact.
    pub fn newest(&self) -> Option<Timestamp> {
        self.report.to
    }
}

fn person(became: &BTreeMap<UserKey, UserKey>, user: UserKey) -> UserKey {
    let mut person = user;
    // In a circle of links nobody is the last: then it is who they were before.
    for _ in 0..=became.len() {
        match became.get(&person) {
            Some(next) => person = *next,
            None => return person,
        }
    }
    user
}

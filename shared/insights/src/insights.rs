//! What needs each person's rows together.

use std::collections::BTreeMap;

use kairos_engine::money::Micros;
use kairos_engine::name::Name;
use kairos_engine::playbook::{Channel, FunnelSplit, MessageTouch};
use kairos_engine::time::{Span, Timestamp};
use kairos_statistics::effect::Interval;
use serde::{Deserialize, Serialize};

use crate::report::{Month, OrderReport, amounts};

/// Amounts of money by currency, exact; those without a currency under an empty name. JSON has them in units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amounts(#[serde(with = "amounts")] pub BTreeMap<String, Micros>);

impl Amounts {
    /// Adds an amount.
    pub fn add(&mut self, currency: &str, amount: Micros) {
        match self.0.get_mut(currency) {
            Some(sum) => *sum = sum.plus(amount),
            None => drop(self.0.insert(currency.to_owned(), amount)),
        }
    }

    /// Adds all of these.
    pub fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|(currency, amount)| self.add(currency, *amount));
    }
}

/// What needs each person's rows together. A person is a user with every visitor who turned out to be them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Insights {
    /// People who did something themselves: what programs do for them, and messages, do not count.
    pub people: u64,
    /// The macro-conversions of the playbook, in its order.
    pub macros: Vec<MacroReport>,
    /// The micro-conversions of the playbook, in its order.
    pub micros: Vec<MicroReport>,
    /// The funnels of the playbook, in its order.
    pub funnels: Vec<FunnelReport>,
    /// To what each macro-conversion is credited.
    pub attribution: Vec<AttributionReport>,
    /// Who bought how lately, how often and for how much; none without orders.
    pub rfm: Option<RfmReport>,
    /// When people come and order.
    pub hours: HourReport,
    /// Promo codes that were used.
    pub redemptions: Vec<RedemptionReport>,
    /// What orders are worth behind a message and without one, by currency.
    pub order_values: BTreeMap<String, OrderValueReport>,
    /// From the first thing that somebody did to their first order in these rows.
    pub first_interaction_to_order: Option<Quantiles>,
    /// From the last message before an order to it, within the attribution window.
    pub message_to_order: Option<Quantiles>,
    /// Who came back and who stayed away, by the month in which they were first seen.
    pub churn: BTreeMap<Month, ChurnCohort>,
    /// Where the figures mislead.
    pub warnings: Vec<Warning>,
}

impl Insights {
    /// A warning with what it is about, by the name that people gave it.
    pub fn words(&self, warning: &Warning) -> String {
        let micro = self.micros.iter().find(|micro| micro.name == warning.about).map(|micro| micro.title.as_str());
        let funnel =
            || self.funnels.iter().find(|funnel| funnel.name == warning.about).map(|funnel| funnel.title.as_str());
        format!("{}: {}", micro.or_else(funnel).unwrap_or(&warning.about), warning.says)
    }
}

/// How often one macro-conversion was reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MacroReport {
    /// Its name.
    pub name: Name,
    /// Its name for people.
    pub title: String,
    /// People who reached it.
    pub people: u64,
    /// How often it was reached.
    pub count: u64,
    /// What that was worth, where it says so.
    pub value: Amounts,
    /// [`Self::people`] of all people.
    pub rate: Option<Rate>,
}

/// A share of people, and Wilson's interval of 95 % of it ([`kairos_statistics::rates::wilson`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The share; 0.1 is 10 %.
    pub estimate: f64,
    /// What it lies between.
    pub interval: Interval,
}

/// A difference, and its interval of 95 %: Newcombe's of two shares, Welch's of two means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// How much more.
    pub estimate: f64,
    /// What it lies between.
    pub interval: Interval,
}

/// What a micro-conversion leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MicroReport {
    /// Its name.
    pub name: Name,
    /// Its name for people.
    pub title: String,
    /// The macro-conversion that it is a step to.
    pub leads_to: Name,
    /// In less than this.
    pub within: Span,
    /// How often it happened.
    pub count: u64,
    /// People who had it.
    pub people: u64,
    /// Those of them who then reached the macro-conversion in time.
    pub reached: u64,
    /// Those of them who have not, and whose time since the last one is not over.
    pub open: u64,
    /// What those macro-conversions were worth that came in time after it.
    pub value: Amounts,
    /// [`Self::reached`] of [`Self::people`].
    pub rate: Option<Rate>,
    /// People who did something, but not this.
    pub people_without: u64,
    /// Those of them who reached the macro-conversion.
    pub reached_without: u64,
    /// What that was worth.
    pub value_without: Amounts,
    /// [`Self::reached_without`] of [`Self::people_without`].
    pub rate_without: Option<Rate>,
    /// How much more often it was reached with than without. That is no effect: who does the one mostly wants the other,
    /// too. What a message or a page changes, only an experiment tells.
    pub difference: Option<Difference>,
    /// The first half of the time.
    pub first_half: Half,
    /// The second half.
    pub second_half: Half,
}

/// One half of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Half {
    /// People who did something in it.
    pub people: u64,
    /// Those of them who had the micro-conversion in it.
    pub micro: u64,
    /// Those of them who reached the macro-conversion in it.
    pub macros: u64,
}

/// How far people came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunnelReport {
    /// Its name.
    pub name: Name,
    /// Its name for people.
    pub title: String,
    /// From the first step to the last in less than this.
    pub within: Span,
    /// Its steps.
    pub steps: Vec<FunnelStepReport>,
    /// The same, apart by what was true of people at the first step.
    pub splits: Vec<FunnelSplitReport>,
}

/// One step of a funnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunnelStepReport {
    /// Its name.
    pub name: Name,
    /// People who came to it, all steps before included.
    pub people: u64,
    /// How long after the step before; none at the first.
    pub since_previous: Option<Quantiles>,
    /// How long after the first step; none at the first.
    pub since_first: Option<Quantiles>,
}

/// A funnel of only those of whom something is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunnelSplitReport {
    /// By what.
    pub by: FunnelSplit,
    /// The segment, channel or source; `(none)` where there is none, `(direct)` who came by themselves, `(other)` all beyond those that are told apart.
    pub value: String,
    /// People at each step.
    pub people: Vec<u64>,
}

/// Lengths of time: in so many parts of the cases it took so long, or less. Each is one of the cases (nearest rank).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many cases.
    pub count: u64,
    /// A tenth.
    pub p10: Span,
    /// A quarter.
    pub p25: Span,
    /// A half.
    pub median: Span,
    /// Three quarters.
    pub p75: Span,
    /// Nine tenths.
    pub p90: Span,
}

impl Quantiles {
    /// Of these; `None` without any.
    pub fn of(mut spans: Vec<Span>) -> Option<Self> {
        spans.sort_unstable();
        // Nearest rank: the smallest value that at least this share of all does not exceed.
        let at = |percent: usize| spans.get((spans.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self {
            count: spans.len() as u64,
            p10: at(10)?,
            p25: at(25)?,
            median: at(50)?,
            p75: at(75)?,
            p90: at(90)?,
        })
    }
}

/// To what one macro-conversion is credited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributionReport {
    /// The macro-conversion.
    pub conversion: Name,
    /// How long before it something may have a part in it.
    pub window: Span,
    /// How several share it in [`Credits::shared`]: `last_touch`, `linear`, `time_decay` or `position_based`.
    pub model: String,
    /// What of a message counts.
    pub touch: MessageTouch,
    /// All that is to be credited.
    pub total: Credit,
    /// What has no message in its window.
    pub without_message: Credit,
    /// To messages.
    pub messages: Vec<MessageCredits>,
    /// To plays.
    pub plays: BTreeMap<Name, Credits>,
    /// To the channels of messages.
    pub channels: BTreeMap<Channel, Credits>,
    /// What has no visit in its window.
    pub without_visit: Credit,
    /// To traffic sources. `(direct)` has a part only where every visit was direct.
    pub sources: BTreeMap<String, Credits>,
}

/// What is credited to one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageCredits {
    /// The play.
    pub play: Name,
    /// The message.
    pub message: String,
    /// The channel.
    pub channel: Channel,
    /// What is credited.
    #[serde(flatten)]
    pub credits: Credits,
}

/// What is credited, in both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credits {
    /// When the last touch has it all.
    pub last: Credit,
    /// When several share it.
    pub shared: Credit,
}

/// Conversions, or parts of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// How many, in millionths: the parts of one add up to exactly 1,000,000.
    pub conversion_micros: u64,
    /// What they are worth. The parts of one add up to exactly what it is worth.
    pub value: Amounts,
}

impl Credit {
    /// How many conversions.
    pub fn conversions(&self) -> f64 {
        self.conversion_micros as f64 / 1e6
    }
}

/// Who bought how lately, how often and for how much, each in fifths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RfmReport {
    /// Recency is counted back from here.
    pub as_of: Timestamp,
    /// The currency that amounts are in: that of most orders. Orders in others count for recency and frequency.
    pub currency: String,
    /// People who ordered.
    pub people: u64,
    /// The scores that somebody has.
    pub cells: Vec<RfmCell>,
}

/// People with the same scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RfmCell {
    /// From 1, long ago, to 5, lately.
    pub recency: u8,
    /// From 1, seldom, to 5, often.
    pub frequency: u8,
    /// From 1, little, to 5, much.
    pub monetary: u8,
    /// How many.
    pub people: u64,
    /// Their orders.
    pub orders: u64,
    /// What those in the report's currency are worth.
    #[serde(with = "crate::report::units")]
    pub revenue: Micros,
}

/// When people come and order, by the shop's own time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourReport {
    /// The shop's time zone.
    pub time_zone: String,
    /// Visits that began: by weekday, from Monday, and hour.
    pub visits: [[u64; 24]; 7],
    /// Orders, likewise.
    pub orders: [[u64; 24]; 7],
}

/// Promo codes of one promotion that were used in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedemptionReport {
    /// The promotion.
    pub promotion: String,
    /// Where: `online` or `store`.
    pub channel: String,
    /// How many codes.
    pub count: u64,
    /// What was taken off, as far as it says.
    pub discount: Amounts,
    /// What the orders came to, as far as they say.
    pub total: Amounts,
}

impl RedemptionReport {
    pub(crate) fn new(promotion: &str, channel: &str) -> Self {
        let (promotion, channel) = (promotion.to_owned(), channel.to_owned());
        Self { promotion, channel, count: 0, discount: Amounts::default(), total: Amounts::default() }
    }
}

/// What orders in one currency are worth behind a message and without one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderValueReport {
    /// Orders of people who were sent a message within the attribution window before.
    pub after_message: OrderReport,
    /// Those of others.
    pub without: OrderReport,
    /// How much more one behind a message is worth on average. That is no effect of messages: whom they reach has mostly
    /// bought before.
    pub difference: Option<Difference>,
}

/// People who were first seen in one month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChurnCohort {
    /// How many.
    pub people: u64,
    /// How many of them did something in that month, in the next one, and so on.
    pub active: Vec<u64>,
    /// How many of them were last seen in that month, in the next one, and so on. Whoever was last seen in the last
    /// months may well come again.
    pub last_seen: Vec<u64>,
}

/// Where figures mislead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// In a word.
    pub kind: WarningKind,
    /// What it is about: the name of a micro-conversion, a funnel.
    pub about: Name,
    /// What to know and to do, in sentences.
    pub says: String,
}

/// What kind of warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// A micro-conversion became more frequent, and its macro-conversion did not.
    MicroRisesMacroDoesNot,
    /// Within the groups of a split it is the other way round than over all (Simpson's paradox).
    SimpsonsParadox,
    /// Too few people to conclude anything.
    TooFewPeople,
}

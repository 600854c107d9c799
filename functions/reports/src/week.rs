//! What changed from one week to the next.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::bounds::LETTER_ENTRIES_MAX;
use kairos_engine::money::Micros;
use kairos_engine::name::Name;
use kairos_insights::experiments::Reading;
use kairos_insights::insights::{Warning, WarningKind};
use kairos_insights::{Insights, LeftOut, Period, PlayReport, Report};

/// One week.
#[derive(Clone, Debug)]
pub struct Week {
    /// Its days.
    pub period: Period,
    /// What is missing in it.
    pub left_out: LeftOut,
    /// What plays did, and what was bought.
    pub report: Report,
    /// What needs each person's rows together.
    pub insights: Insights,
    /// The playbook's experiments.
    pub experiments: Vec<Reading>,
}

/// A week against the one before.
#[derive(Clone, Debug)]
pub struct Compared<'w> {
    /// The week.
    pub this: &'w Week,
    /// The figures of both, in the order in which they are read.
    pub figures: Vec<Figure>,
    /// Plays that did something, those that sent most first.
    pub plays: Vec<PlayWeek>,
    /// Experiments with people in them.
    pub experiments: Vec<&'w Reading>,
    /// What to look at.
    pub warnings: Vec<&'w Warning>,
}

/// A figure of both weeks.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it is.
    pub label: String,
    /// This week.
    pub this: Value,
    /// The week before.
    pub before: Value,
}

/// A number of things, or an amount of money.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// How many.
    Count(u64),
    /// How much, and its currency.
    Money(Micros, String),
}

impl Value {
    fn number(&self) -> f64 {
        match self {
            Self::Count(count) => *count as f64,
            Self::Money(amount, _) => amount.get() as f64,
        }
    }
}

impl Figure {
    /// How much more than the week before, in proportion; `None` when there was nothing.
    pub fn change(&self) -> Option<f64> {
        let before = self.before.number();
        (before > 0.0).then(|| self.this.number() / before - 1.0)
    }
}

/// What one play did in both weeks.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayWeek {
    /// Its name.
    pub name: Name,
    /// Messages.
    pub sent: Figure,
    /// Messages that led to a click.
    pub clicked: u64,
    /// Goals after a message.
    pub converted: Figure,
    /// What they were worth, in the events' currency.
    pub value: Micros,
}

impl<'w> Compared<'w> {
    /// A week against the one before.
    pub fn of(this: &'w Week, before: &'w Week) -> Self {
        let mut plays: Vec<PlayWeek> = this
            .report
            .plays
            .iter()
            .map(|(name, play)| {
                let before = before.report.plays.get(name);
                let figure = |label: &str, of: fn(&PlayReport) -> u64| Figure {
                    label: label.to_owned(),
                    this: Value::Count(of(play)),
                    before: Value::Count(before.map_or(0, of)),
                };
                PlayWeek {
                    name: name.clone(),
                    sent: figure("sent", |play| play.sent),
                    clicked: play.messages.iter().map(|message| message.clicked).sum(),
                    converted: figure("goals", |play| play.converted),
                    value: play.value,
                }
            })
            .filter(|play| play.sent.this != Value::Count(0) || play.sent.before != Value::Count(0))
            .collect();
        plays.sort_by(|one, other| {
            other.sent.this.number().total_cmp(&one.sent.this.number()).then_with(|| one.name.cmp(&other.name))
        });
        plays.truncate(LETTER_ENTRIES_MAX);
        let has_people = |one: &&Reading| {
            let result = one.result.as_ref();
            result.is_some_and(|result| result.conversion.variants.iter().any(|variant| variant.users > 0))
        };
        let is_news = |one: &&Warning| one.kind != WarningKind::TooFewPeople;
        Self {
            this,
            figures: figures(this, before),
            plays,
            experiments: this.experiments.iter().filter(has_people).take(LETTER_ENTRIES_MAX).collect(),
            warnings: this.insights.warnings.iter().filter(is_news).take(LETTER_ENTRIES_MAX).collect(),
        }
    }
}

fn figures(this: &Week, before: &Week) -> Vec<Figure> {
    let count = |label: &str, of: fn(&Week) -> u64| Figure {
        label: label.to_owned(),
        this: Value::Count(of(this)),
        before: Value::Count(of(before)),
    };
    let mut figures = vec![
        count("People", |week| week.insights.people),
        count("Visits", |week| week.insights.hours.visits.iter().flatten().sum()),
        count("Orders", |week| week.report.orders.values().map(|orders| orders.count).sum()),
    ];
    let both = [&this.report.orders, &before.report.orders];
    let currencies: BTreeSet<&String> = both.iter().flat_map(|orders| orders.keys()).collect();
    for currency in currencies {
        let value = |orders: &BTreeMap<String, kairos_insights::OrderReport>| {
            let orders = orders.get(currency);
            (
                orders.map_or(Micros::default(), |orders| orders.value),
                orders.and_then(kairos_insights::OrderReport::average),
            )
        };
        let [this, before] = both.map(value);
        let money = |label: &str, this: Micros, before: Micros| Figure {
            label: label.to_owned(),
            this: Value::Money(this, currency.clone()),
            before: Value::Money(before, currency.clone()),
        };
        // Exact enough for people: an average is no sum of money.
        let micros = |average: Option<f64>| Micros::new((average.unwrap_or_default() * 1e6).round() as i64);
        figures.push(money("Revenue", this.0, before.0));
        figures.push(money("Average order", micros(this.1), micros(before.1)));
    }
    figures.extend([
        count("Messages sent", |week| plays(week, |play| play.sent)),
        count("Messages clicked", |week| messages(week, |message| message.clicked)),
        count("Goals after a message", |week| plays(week, |play| play.converted)),
        count("Messages that failed", |week| messages(week, |message| message.failed)),
        count("Called spam", |week| messages(week, |message| message.complained)),
    ]);
    figures
}

fn plays(week: &Week, of: fn(&PlayReport) -> u64) -> u64 {
    week.report.plays.values().map(of).sum()
}

fn messages(week: &Week, of: fn(&kairos_insights::MessageReport) -> u64) -> u64 {
    week.report.plays.values().flat_map(|play| &play.messages).map(of).sum()
}

//! How bad a run is. Every kind of trouble is drawn from the seed; some runs are calm, so that what
//! holds only in good times (punctuality) is checked as well.

use crate::playbook::Shop;
use crate::random::Random;
use crate::world::BEGIN;

/// A call into the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// A client's request reaches the mailboxes.
    Ingest,
    /// Reading users.
    Load,
    /// Committing a user.
    Save,
    /// Telling other users.
    Tell,
    /// Handing messages to the deliveries queue.
    Deliver,
    /// Handing alarms to the delay queue.
    Wake,
    /// Noting who cares about which product.
    Interest,
    /// Reading the index of alarms.
    Due,
    /// Putting a tick into a mailbox.
    Tick,
    /// Reading templates.
    Compose,
    /// Asking whether a receiver still wants a message.
    Permission,
    /// Writing the record of a delivery.
    Record,
    /// The provider of a channel.
    Provider,
    /// Putting a message into the deliveries queue once more.
    Later,
    /// The function's answer, by which the queue deletes what was done.
    Acknowledge,
}

impl Port {
    /// Every port.
    pub const ALL: [Self; 15] = [
        Self::Ingest,
        Self::Load,
        Self::Save,
        Self::Tell,
        Self::Deliver,
        Self::Wake,
        Self::Interest,
        Self::Due,
        Self::Tick,
        Self::Compose,
        Self::Permission,
        Self::Record,
        Self::Provider,
        Self::Later,
        Self::Acknowledge,
    ];

    /// Its name in traces and statistics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Load => "load users",
            Self::Save => "save user",
            Self::Tell => "tell users",
            Self::Deliver => "hand over deliveries",
            Self::Wake => "delay alarms",
            Self::Interest => "note interests",
            Self::Due => "read alarm index",
            Self::Tick => "put tick",
            Self::Compose => "compose",
            Self::Permission => "ask for consent",
            Self::Record => "record delivery",
            Self::Provider => "call provider",
            Self::Later => "put off",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Fine,
    /// It fails, and nothing happened.
    FailsBefore,
    /// It fails, though everything (or, for several messages, some of it) happened.
    FailsAfter,
    /// The process dies; nothing happened.
    CrashBefore,
    /// It happened; then the process dies.
    CrashAfter,
    /// It takes very long before it happens.
    SlowBefore,
    /// It happens, but its answer takes very long.
    SlowAfter,
}

impl Fate {
    /// Everything but that it works.
    pub const TROUBLES: [Self; 6] =
        [Self::FailsBefore, Self::FailsAfter, Self::CrashBefore, Self::CrashAfter, Self::SlowBefore, Self::SlowAfter];

    /// Its name in traces and statistics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::FailsBefore => "fails before",
            Self::FailsAfter => "fails after",
            Self::CrashBefore => "crash before",
            Self::CrashAfter => "crash after",
            Self::SlowBefore => "slow before",
            Self::SlowAfter => "slow after",
        }
    }
}

/// How bad a run is: chances are out of ten thousand.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Its name in traces.
    pub name: &'static str,
    /// When it begins.
    pub begins_at: i64,
    /// How long people shop.
    pub shopping_ms: i64,
    /// How many people there are.
    pub people: usize,
    /// The chance of each of [`Fate::TROUBLES`] at each call.
    pub troubles: [u64; 6],
    /// How long a slow call takes at most.
    pub slow_ms_max: i64,
    /// Whether invocations are killed when they exceed their time; otherwise they live on as zombies
    /// while their messages are given to others.
    pub killed_in_time: bool,
    /// How many outages of one port there are.
    pub outages: usize,
    /// How often a mailbox message is given before it becomes a dead letter.
    pub receives_max: u32,
    /// By how much clocks are wrong at most.
    pub clock_ms_max: i64,
    /// By how much the alarm index lags at most.
    pub lag_ms_max: i64,
    /// The chance that a standard queue gives a message twice.
    pub twice: u64,
    /// The chance that a sweep does not happen.
    pub no_sweep: u64,
    /// How long people are watched after the last of them has done something.
    pub afterwards_ms: i64,
    /// Whether some people send hundreds of events.
    pub heavy: bool,
    /// Whether visitors turn into known users.
    pub links: bool,
}

impl Weather {
    /// The weather of a run.
    pub fn of(shop: Shop, random: &mut Random) -> Self {
        let weather = Self::of_hours(random);
        match shop {
            Shop::Small => weather,
            Shop::Shipped => weather.over_weeks(random),
        }
    }

    /// The shipped plays take days and weeks.
    fn over_weeks(self, random: &mut Random) -> Self {
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        let (shopping, afterwards) = *random.pick(&[(DAY / 2, 2 * DAY), (4 * DAY, 9 * DAY), (30 * DAY, 35 * DAY)]);
        // Much at once is what caps are for.
        let (shopping, people) = if self.heavy { (shopping.min(4 * DAY), 2) } else { (shopping, 2 + random.below(4)) };
        // In November, in March and in October: twice before clocks are changed.
        let begins_at = BEGIN + *random.pick(&[0, 125, 338]) * DAY;
        Self { begins_at, shopping_ms: shopping, afterwards_ms: afterwards, people, outages: 3 * self.outages, ..self }
    }

    fn of_hours(random: &mut Random) -> Self {
        const HOUR: i64 = 60 * 60 * 1_000;
        let calm = Self {
            name: "calm",
            begins_at: BEGIN,
            shopping_ms: random.between(1, 4) * HOUR,
            people: 4 + random.below(8),
            troubles: [0; 6],
            slow_ms_max: 0,
            killed_in_time: true,
            outages: 0,
            receives_max: 10,
            clock_ms_max: 0,
            lag_ms_max: 1_000,
            twice: 0,
            no_sweep: 0,
            afterwards_ms: 0,
            heavy: false,
            links: random.chance(5_000),
        };
        let rough = Self {
            name: "rough",
            troubles: [200, 200, 200, 200, 20, 20],
            slow_ms_max: 70_000,
            clock_ms_max: 1_000,
            lag_ms_max: 5_000,
            twice: 300,
            no_sweep: 500,
            links: random.chance(7_000),
            ..calm.clone()
        };
        match random.below(10) {
            0 => calm,
            1 | 2 => rough,
            3 => Self { name: "many crashes", troubles: [100, 300, 800, 800, 20, 20], ..rough },
            4 => Self {
                name: "zombies",
                troubles: [200, 200, 100, 100, 150, 150],
                slow_ms_max: 200_000,
                killed_in_time: false,
                ..rough
            },
            5 | 6 => Self { name: "outages", outages: 4, receives_max: 3, ..rough },
            7 => Self { name: "identities", links: true, ..rough },
            8 => Self {
                name: "heavy users",
                outages: 5,
                receives_max: 3,
                heavy: true,
                people: 3 + random.below(3),
                shopping_ms: 4 * HOUR,
                ..rough
            },
            _ => Self { name: "two days", shopping_ms: 40 * HOUR, people: 3 + random.below(4), ..rough },
        }
    }
}

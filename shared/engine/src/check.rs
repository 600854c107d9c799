//! Conditions, made ready to be asked: every leaf knows the register that answers it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::moment;
use crate::playbook::{
    CartTest, Channel, ContextFact, HabitSlot, HabitTest, LocalHours, Moment, PlaceSelector, ProductField, Property,
    ReachTest, ValueTest,
};
use crate::program::Program;
use crate::property::{ValueRef, product_field};
use crate::register::{Bucket, Group, RegisterValue, bucket_ends};
use crate::seats::Seats;
use crate::state::UserState;
use crate::time::{Span, Timestamp};
use crate::verdict::{Verdict, earlier};

/// The place of a register in the program.
pub(crate) type RegisterIndex = usize;

/// A condition whose leaves know what answers them. The questions are those of
/// [`crate::playbook::Condition`].
#[derive(Clone, Debug)]
pub(crate) enum Check {
    All(Vec<Check>),
    Any(Vec<Check>),
    Not(Box<Check>),
    Cart(CartTest),
    Reachable(ReachTest),
    Trait {
        name: String,
        is: ValueTest,
    },
    Recent {
        register: RegisterIndex,
        at_least: u32,
        within: Span,
    },
    RecentBy {
        register: RegisterIndex,
        at_least: u32,
        within: Option<Span>,
    },
    Total {
        register: RegisterIndex,
        at_least: u32,
    },
    First {
        register: RegisterIndex,
        ago: Span,
    },
    Last {
        register: RegisterIndex,
        ago: Span,
    },
    LastValue {
        register: RegisterIndex,
        is: ValueTest,
    },
    Sum {
        register: RegisterIndex,
        at_least: i64,
        within: Option<Span>,
    },
    Distinct {
        register: RegisterIndex,
        at_least: u32,
        within: Option<Span>,
    },
    Sequence {
        register: RegisterIndex,
        last: Option<Span>,
    },
    Absence {
        register: RegisterIndex,
        wait: Span,
    },
    AverageInterval {
        register: RegisterIndex,
        less_than: Span,
    },
    Habit {
        register: RegisterIndex,
        on: HabitSlot,
        is: HabitTest,
    },
    Visits {
        register: RegisterIndex,
        at_least: u32,
        within: Span,
    },
    Fact {
        fact: ContextFact,
        is: ValueTest,
    },
    LocalTime(LocalHours),
    Inside(PlaceSelector),
    Moment {
        moment: Moment,
        at_least: Option<f64>,
    },
    Readiness {
        /// What is asked for, as the logarithm of its odds.
        log_odds: f64,
    },
    /// By its place among the watched conditions.
    Segment(usize),
    Messaged {
        play: Option<String>,
        within: Span,
    },
}

/// Asks about one user at one instant.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) program: &'a Program,
    pub(crate) state: &'a UserState,
    /// Where the user's values lie.
    pub(crate) seats: &'a Seats,
    pub(crate) at: Timestamp,
}

impl<'a> View<'a> {
    fn register(&self, register: RegisterIndex) -> Option<&'a RegisterValue> {
        self.seats.register(self.state, register)
    }

    /// Whether a condition holds, and until when. Long answers are functions of their own, so that short ones need
    /// nothing of the stack.
    pub(crate) fn verdict(&self, check: &Check) -> Verdict {
        let at = self.at;
        match check {
            Check::All(parts) => self.all(parts),
            Check::Any(parts) => self.any(parts),
            Check::Not(part) => self.verdict(part).negated(),
            Check::Cart(test) => self.cart(test),
            Check::Reachable(test) => self.reachable(*test),
            Check::Trait { name, is } => self.of_trait(name, is),
            Check::Recent { register, at_least, within } => match self.register(*register) {
                Some(RegisterValue::Recent(times)) => recent(times, *at_least, Some(*within), at),
                _ => Verdict::always(false),
            },
            Check::RecentBy { register, at_least, within } => match self.register(*register) {
                Some(RegisterValue::RecentBy(groups)) => recent_by(groups, *at_least, *within, at),
                _ => Verdict::always(false),
            },
            Check::Total { register, at_least } => match self.register(*register) {
                Some(RegisterValue::Total { count, .. }) => Verdict::always(count >= at_least),
                _ => Verdict::always(false),
            },
            Check::First { register, ago } => match self.register(*register) {
                Some(RegisterValue::Total { first, .. }) => Verdict::from(first.plus(*ago), at),
                _ => Verdict::always(false),
            },
            Check::Last { register, ago } => match self.register(*register) {
                Some(RegisterValue::Recent(times)) => {
                    times.last().map_or(Verdict::always(false), |last| Verdict::from(last.plus(*ago), at))
                }
                _ => Verdict::always(false),
            },
            Check::LastValue { register, is } => self.last_value(*register, is),
            Check::Sum { register, at_least, within } => self.sum(*register, *at_least, *within),
            Check::Distinct { register, at_least, within } => match self.register(*register) {
                Some(RegisterValue::Distinct(groups)) => distinct(groups, *at_least, *within, at),
                _ => Verdict::always(false),
            },
            Check::Sequence { register, last } => match (self.register(*register), last) {
                (Some(RegisterValue::Sequence { completed: Some(_), .. }), None) => Verdict::always(true),
                (Some(RegisterValue::Sequence { completed: Some(completed), .. }), Some(last)) => {
                    Verdict::before(completed.plus(*last), at)
                }
                _ => Verdict::always(false),
            },
            Check::Absence { register, wait } => match self.register(*register) {
                Some(RegisterValue::Open { after: Some(after), open: true, .. }) => {
                    Verdict::from(after.plus(*wait), at)
                }
                _ => Verdict::always(false),
            },
            Check::AverageInterval { register, less_than } => self.average_interval(*register, *less_than),
            Check::Habit { register, on, is } => self.habit(*register, *on, *is),
            Check::Visits { register, at_least, within } => match self.register(*register) {
                Some(RegisterValue::Visits { begun, .. }) => recent(begun, *at_least, Some(*within), at),
                _ => Verdict::always(false),
            },
            Check::Fact { fact, is } => self.fact(*fact, is),
            Check::LocalTime(hours) => self.local_time(hours),
            Check::Inside(selector) => self.inside(selector),
            Check::Moment { moment, at_least } => moment::is_current(self, *moment, *at_least),
            Check::Readiness { log_odds } => moment::is_ready(self, *log_odds),
            Check::Segment(watched) => {
                let standing = self.seats.standing(self.state, *watched);
                Verdict { holds: standing.since.is_some(), until: standing.next }
            }
            Check::Messaged { play, within } => self.messaged(play.as_deref(), *within),
        }
    }

    #[inline(never)]
    fn all(&self, parts: &[Check]) -> Verdict {
        Verdict::all(parts.iter().map(|part| self.verdict(part)))
    }

    #[inline(never)]
    fn any(&self, parts: &[Check]) -> Verdict {
        Verdict::any(parts.iter().map(|part| self.verdict(part)))
    }

    #[inline(never)]
    fn reachable(&self, test: ReachTest) -> Verdict {
        Verdict::always(match test {
            ReachTest::Anyhow => Channel::ALL.iter().any(|channel| self.state.is_reachable(*channel)),
            ReachTest::By(channel) => self.state.is_reachable(channel),
        })
    }

    #[inline(never)]
    fn of_trait(&self, name: &str, is: &ValueTest) -> Verdict {
        match self.state.profile.traits.get(name) {
            Some(value) => is.verdict(&ValueRef::of(value), self.at),
            None => Verdict::always(is_not_known(is)),
        }
    }

    #[inline(never)]
    fn last_value(&self, register: RegisterIndex, is: &ValueTest) -> Verdict {
        match self.register(register) {
            Some(RegisterValue::LastValue { value, .. }) => is.verdict(&ValueRef::of(value), self.at),
            _ => Verdict::always(is_not_known(is)),
        }
    }

    #[inline(never)]
    fn sum(&self, register: RegisterIndex, at_least: i64, within: Option<Span>) -> Verdict {
        match self.register(register) {
            Some(RegisterValue::Sum(sum)) => Verdict::always(*sum >= at_least),
            Some(RegisterValue::SumWithin(buckets)) => sum_of(buckets, at_least, within, self.at),
            Some(RegisterValue::SumBy(groups)) => {
                Verdict::any(groups.iter().map(|group| sum_of(&group.buckets, at_least, within, self.at)))
            }
            _ => Verdict::always(at_least <= 0),
        }
    }

    #[inline(never)]
    fn average_interval(&self, register: RegisterIndex, less_than: Span) -> Verdict {
        match self.register(register) {
            Some(RegisterValue::Total { count, first, last }) if *count >= 2 => {
                let all = i128::from(last.since(*first).as_millis());
                let limit = i128::from(less_than.as_millis()) * i128::from(count - 1);
                Verdict::always(all < limit)
            }
            _ => Verdict::always(false),
        }
    }

    #[inline(never)]
    fn fact(&self, fact: ContextFact, is: &ValueTest) -> Verdict {
        match self.state.facts.get(&fact) {
            Some(value) => is.verdict(&ValueRef::Text(value), self.at),
            None => Verdict::always(is_not_known(is)),
        }
    }

    #[inline(never)]
    fn local_time(&self, hours: &LocalHours) -> Verdict {
        self.program.clock_of(self.state).among(hours, self.at)
    }

    #[inline(never)]
    fn inside(&self, selector: &PlaceSelector) -> Verdict {
        Verdict::any(self.state.inside.iter().map(|inside| {
            let place = self.program.playbook().places.iter().find(|place| place.name == inside.place);
            match place.is_some_and(|place| selector.matches(place)) {
                true => Verdict::before(inside.until, self.at),
                false => Verdict::always(false),
            }
        }))
    }

    #[inline(never)]
    fn messaged(&self, play: Option<&str>, within: Span) -> Verdict {
        let times = self.state.plays.iter().filter(|(name, _)| play.is_none_or(|play| **name == *play));
        let last = times.filter_map(|(_, standing)| standing.messaged_at).max();
        last.map_or(Verdict::always(false), |last| Verdict::before(last.plus(within), self.at))
    }

    #[inline(never)]
    fn cart(&self, test: &CartTest) -> Verdict {
        let cart = &self.state.cart;
        Verdict::always(match test {
            CartTest::NotEmpty => !cart.is_empty(),
            CartTest::Empty => cart.is_empty(),
            CartTest::ItemsAtLeast(least) => {
                cart.items().iter().map(|item| u64::from(item.quantity)).sum::<u64>() >= u64::from(*least)
            }
            CartTest::TotalAtLeast { amount, currency } => {
                let (total, of) = cart.total();
                total.is_some_and(|total| crate::property::units(total) >= *amount)
                    && currency.is_none_or(|wanted| of == Some(wanted))
            }
            CartTest::Contains { property, is } => {
                let Property::Product(field) = property else { return Verdict::always(false) };
                let field: ProductField = *field;
                cart.items()
                    .iter()
                    .any(|item| product_field(item, field).is_some_and(|value| is.holds(&value, self.at)))
            }
        })
    }

    #[inline(never)]
    fn habit(&self, register: RegisterIndex, on: HabitSlot, is: HabitTest) -> Verdict {
        let Some((sum, best_inside, best)) = self.habit_counts(self.register(register), on) else {
            return Verdict::always(false);
        };
        let until = match on {
            HabitSlot::Today => self.program.clock_of(self.state).next_midnight(self.at),
            _ => None,
        };
        let holds = match is {
            HabitTest::AtLeast(least) => sum >= least,
            HabitTest::Favourite => best > 0 && best_inside == best,
        };
        Verdict { holds, until }
    }

    /// How often inside a slot, how often at its best weekday or hour, and at the best of all.
    pub(crate) fn habit_counts(&self, value: Option<&RegisterValue>, on: HabitSlot) -> Option<(u32, u16, u16)> {
        let Some(RegisterValue::Habit { weekdays, hours }) = value else { return None };
        // A time zone's data is read for it: once, not for each weekday.
        let today = (on == HabitSlot::Today).then(|| self.program.clock_of(self.state).weekday_and_minute(self.at).0);
        let weekday = |day: &u8| match on {
            HabitSlot::Weekdays(days) => days.has(*day),
            _ => Some(*day) == today,
        };
        Some(match on {
            HabitSlot::Hours { from, until } => {
                let among = |hour: &u8| match from < until {
                    true => (from..until).contains(hour),
                    false => *hour >= from || *hour < until,
                };
                slot_counts(hours.as_slice(), among)
            }
            HabitSlot::Weekdays(_) | HabitSlot::Today => slot_counts(weekdays, weekday),
        })
    }
}

/// The sum inside a slot, the best inside it, and the best of all.
fn slot_counts(counts: &[u16], inside: impl Fn(&u8) -> bool) -> (u32, u16, u16) {
    let mut answer = (0_u32, 0, 0);
    for (slot, count) in (0_u8..).zip(counts) {
        if inside(&slot) {
            answer.0 += u32::from(*count);
            answer.1 = answer.1.max(*count);
        }
        answer.2 = answer.2.max(*count);
    }
    answer
}

fn is_not_known(test: &ValueTest) -> bool {
    matches!(test, ValueTest::Not(known) if **known == ValueTest::Known)
}

fn recent(times: &[Timestamp], at_least: u32, within: Option<Span>, at: Timestamp) -> Verdict {
    let nth_last = times.len().checked_sub(at_least as usize).and_then(|position| times.get(position));
    match (nth_last, within) {
        (None, _) => Verdict::always(false),
        (Some(_), None) => Verdict::always(true),
        (Some(time), Some(within)) => Verdict::before(time.plus(within), at),
    }
}

#[inline(never)]
fn recent_by(groups: &[Group], at_least: u32, within: Option<Span>, at: Timestamp) -> Verdict {
    Verdict::any(groups.iter().map(|group| recent(&group.times, at_least, within, at)))
}

fn distinct(groups: &[Group], at_least: u32, within: Option<Span>, at: Timestamp) -> Verdict {
    let nth_last = groups.len().checked_sub(at_least as usize).and_then(|position| groups.get(position));
    match (nth_last.and_then(|group| group.times.last()), within) {
        (None, _) => Verdict::always(false),
        (Some(_), None) => Verdict::always(true),
        (Some(time), Some(within)) => Verdict::before(time.plus(within), at),
    }
}

fn sum_of(buckets: &[Bucket], at_least: i64, within: Option<Span>, at: Timestamp) -> Verdict {
    let Some(window) = within else {
        return Verdict::always(buckets.iter().map(|bucket| bucket.sum).fold(0, i64::saturating_add) >= at_least);
    };
    let alive = |time: Timestamp| {
        buckets.iter().filter(move |bucket| bucket_ends(bucket.part, window) > time).map(|bucket| bucket.sum)
    };
    let reached = |time: Timestamp| alive(time).fold(0, i64::saturating_add) >= at_least;
    let holds = reached(at);
    let ends = buckets.iter().map(|bucket| bucket_ends(bucket.part, window)).filter(|end| *end > at);
    let until = ends.filter(|end| reached(*end) != holds).fold(None, |until, end| earlier(until, Some(end)));
    Verdict { holds, until }
}

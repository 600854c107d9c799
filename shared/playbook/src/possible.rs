//! Whether a play can ever send: tries every combination of what its conditions ask.

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    CartTest, Channel, Condition, EventPattern, Play, ReachTest, Step, TraitTest, TraitValue, Trigger,
};
use kairos_engine::time::Span;

/// Most questions about traits that are tried in all combinations; a play with more is let through.
const TRAIT_TESTS_MAX: usize = 10;

/// Nothing when some user could get a message of the play, else what to change.
pub(crate) fn can_send(play: &Play) -> Result<(), String> {
    let mut tests = Vec::new();
    for condition in [Some(&play.who), play.unless.as_ref()].into_iter().flatten() {
        trait_tests(condition, &mut tests);
    }
    if tests.len() > TRAIT_TESTS_MAX {
        return Ok(());
    }
    let channels: Vec<Channel> = play
        .steps
        .iter()
        .flat_map(|step| match step {
            Step::Send { channels, .. } => channels,
        })
        .copied()
        .collect();
    let mut someone = false;
    let mut someone_reachable = false;
    for answers in 0..1_u32 << (3 + tests.len()) {
        let user = User {
            cart_empty: answers & 1 != 0,
            email: answers & 2 != 0,
            sms: answers & 4 != 0,
            tests: &tests,
            traits: answers >> 3,
        };
        if user.is_possible() && user.holds(&play.who) && !play.unless.as_ref().is_some_and(|unless| user.holds(unless))
        {
            someone = true;
            someone_reachable |= channels.iter().any(|channel| user.has(*channel)) && user.may_follow(&play.trigger);
        }
    }
    if !someone {
        Err("no user can fulfil `who` and `unless` at once; look for conditions that exclude each other".into())
    } else if !someone_reachable {
        Err("no user of `who` can be reached on its channels after its trigger; widen `who` or add a channel".into())
    } else {
        Ok(())
    }
}

/// A user, as far as conditions ask.
struct User<'a> {
    cart_empty: bool,
    email: bool,
    sms: bool,
    tests: &'a [(&'a str, &'a TraitTest)],
    /// One bit for each of `tests`.
    traits: u32,
}

impl User<'_> {
    fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.email,
            Channel::Sms => self.sms,
            Channel::Webhook => true,
        }
    }

    /// An order empties the cart, so nothing that only an order triggers finds one.
    fn may_follow(&self, trigger: &Trigger) -> bool {
        let started_by = match trigger {
            Trigger::Event(patterns) | Trigger::Absence { after: patterns, .. } => patterns,
        };
        self.cart_empty || started_by.iter().any(|pattern| *pattern != EventPattern::Track(EventName::OrderCompleted))
    }

    fn answer(&self, name: &str, test: &TraitTest) -> bool {
        self.tests.iter().position(|known| *known == (name, test)).is_some_and(|at| self.traits & (1 << at) != 0)
    }

    /// Whether the answers about traits can be true together.
    fn is_possible(&self) -> bool {
        let given: Vec<_> = self
            .tests
            .iter()
            .enumerate()
            .map(|(at, (name, test))| (*name, *test, self.traits & (1 << at) != 0))
            .collect();
        given.iter().all(|(name, test, holds)| {
            given.iter().filter(|(other_name, ..)| other_name == name).all(|(_, other, other_holds)| {
                match (test, other) {
                    // What equals something, or is old, is known.
                    (TraitTest::Equal(_) | TraitTest::OlderThan(_), TraitTest::Known) => !holds || *other_holds,
                    (TraitTest::Equal(one), TraitTest::Equal(two)) => one == two || !(*holds && *other_holds),
                    (TraitTest::OlderThan(one), TraitTest::OlderThan(two)) => older(*one, *two, *holds, *other_holds),
                    // Only texts are times.
                    (TraitTest::Equal(TraitValue::Flag(_) | TraitValue::Number(_)), TraitTest::OlderThan(_)) => {
                        !(*holds && *other_holds)
                    }
                    _ => true,
                }
            })
        })
    }

    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(parts) => parts.iter().all(|part| self.holds(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Condition::Not(part) => !self.holds(part),
            Condition::Cart(CartTest::Empty) => self.cart_empty,
            Condition::Cart(CartTest::NotEmpty) => !self.cart_empty,
            Condition::Reachable(ReachTest::Anyhow) => self.email || self.sms,
            Condition::Reachable(ReachTest::By(channel)) => *channel != Channel::Webhook && self.has(*channel),
            Condition::Trait { name, is } => self.answer(name, is),
        }
    }
}

/// What is older than the longer span is older than the shorter one.
fn older(one: Span, two: Span, holds: bool, other_holds: bool) -> bool {
    if one >= two { !holds || other_holds } else { !other_holds || holds }
}

fn trait_tests<'a>(condition: &'a Condition, tests: &mut Vec<(&'a str, &'a TraitTest)>) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| trait_tests(part, tests)),
        Condition::Not(part) => trait_tests(part, tests),
        Condition::Trait { name, is } => {
            if !tests.contains(&(name.as_str(), is)) {
                tests.push((name, is));
            }
        }
        Condition::Cart(_) | Condition::Reachable(_) => {}
    }
}

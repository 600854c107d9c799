//! Whether a condition holds of a user at a time.

use crate::playbook::{CartTest, Channel, Condition, ReachTest, TraitTest, TraitValue};
use crate::state::UserState;
use crate::time::Timestamp;

impl Condition {
    /// Whether it holds of this user at this time, by the user's own clock.
    pub fn holds(&self, state: &UserState, at: Timestamp) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(state, at)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(state, at)),
            Self::Not(part) => !part.holds(state, at),
            Self::Cart(CartTest::NotEmpty) => !state.cart.is_empty(),
            Self::Cart(CartTest::Empty) => state.cart.is_empty(),
            Self::Reachable(ReachTest::Anyhow) => {
                Channel::ALL.iter().any(|channel| state.profile.address(*channel).is_some())
            }
            Self::Reachable(ReachTest::By(channel)) => state.profile.address(*channel).is_some(),
            Self::Trait { name, is } => is.holds(state.profile.traits.get(name), at),
        }
    }
}

impl TraitTest {
    fn holds(&self, value: Option<&TraitValue>, at: Timestamp) -> bool {
        match self {
            Self::Known => value.is_some(),
            Self::Equal(wanted) => value == Some(wanted),
            Self::OlderThan(span) => match value {
                Some(TraitValue::Text(text)) => Timestamp::parse(text).is_some_and(|time| at.since(time) > *span),
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;
    use alloc::boxed::Box;
    use alloc::vec;

    #[test]
    fn conditions_are_answered_from_the_state() {
        let mut state = UserState::default();
        state.profile.email = Some("ann@shop.example".into());
        state.profile.traits.insert("createdAt".into(), TraitValue::Text("2026-01-01T00:00:00Z".into()));
        let at = Timestamp::parse("2026-01-02T00:00:00Z").unwrap();
        let old =
            |hours| Condition::Trait { name: "createdAt".into(), is: TraitTest::OlderThan(Span::from_hours(hours)) };
        let email = Condition::Reachable(ReachTest::By(Channel::Email));
        let sms = Condition::Reachable(ReachTest::By(Channel::Sms));
        for (condition, expected) in [
            (Condition::default(), true),
            (Condition::Cart(CartTest::Empty), true),
            (Condition::Cart(CartTest::NotEmpty), false),
            (Condition::Reachable(ReachTest::Anyhow), true),
            (Condition::All(vec![email.clone(), sms.clone()]), false),
            (Condition::Any(vec![email.clone(), sms.clone()]), true),
            (Condition::Not(Box::new(sms)), true),
            (old(23), true),
            (old(24), false),
            (Condition::Trait { name: "plan".into(), is: TraitTest::Known }, false),
        ] {
            assert_eq!(condition.holds(&state, at), expected, "{condition:?}");
        }
    }
}

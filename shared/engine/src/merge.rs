//! Anonymous and known are one person: how what a visitor did becomes part of a user.

use crate::bounds::{CAP_AT_MOST_MAX, OUTCOMES_KEPT_MAX};
use crate::state::{PlayState, UserState};

impl UserState {
    /// Whether there is anything that a linked identity must know.
    pub(crate) fn has_something_to_carry(&self) -> bool {
        let Self {
            user_id: _,
            clock: _,
            anonymous_id,
            forwarded_to: _,
            seen,
            messages: _,
            profile,
            cart,
            orders,
            plays,
            outcomes,
            decisions: _,
            passed_on: _,
        } = self;
        anonymous_id.is_some()
            || !seen.is_empty()
            || *profile != Default::default()
            || *cart != Default::default()
            || *orders != Default::default()
            || !plays.is_empty()
            || !outcomes.is_empty()
    }

    /// Takes in what a visitor had done who turned out to be this user. No cart, purchase or used cap
    /// is lost; what this user has ordered since is not put back into the cart.
    pub(crate) fn merge(&mut self, visitor: Self) {
        self.clock = self.clock.max(visitor.clock);
        self.seen.merge(&visitor.seen);
        self.profile.merge(visitor.profile);
        if self.anonymous_id.is_none() {
            self.anonymous_id = visitor.anonymous_id;
        }
        let visitors_cart_ordered = self.orders.last_at.is_some() && self.orders.last_at >= visitor.cart.changed_at();
        let own_cart_ordered = visitor.orders.last_at.is_some() && visitor.orders.last_at >= self.cart.changed_at();
        if own_cart_ordered {
            self.cart = Default::default();
        }
        if !visitors_cart_ordered {
            self.cart.merge(visitor.cart);
        }
        self.orders.count = self.orders.count.saturating_add(visitor.orders.count);
        self.orders.last_at = self.orders.last_at.max(visitor.orders.last_at);
        for (name, theirs) in visitor.plays {
            self.plays.entry(name).or_default().merge(theirs);
        }
        self.outcomes.extend(visitor.outcomes);
        self.outcomes.sort_by_key(|record| record.at);
        let too_many = self.outcomes.len().saturating_sub(OUTCOMES_KEPT_MAX);
        self.outcomes.drain(..too_many);
    }
}

impl PlayState {
    fn merge(&mut self, theirs: Self) {
        // The last change of either half counts. Whether the play still makes sense is asked again
        // when the deadline comes.
        self.waiting = match (self.waiting.take(), theirs.waiting) {
            (Some(own), Some(other)) => Some(if other.after_at > own.after_at { other } else { own }),
            (own, other) => own.or(other),
        };
        self.entered = self.entered.saturating_add(theirs.entered);
        self.sent_at.extend(theirs.sent_at);
        self.sent_at.sort_unstable();
        let too_many = self.sent_at.len().saturating_sub(CAP_AT_MOST_MAX as usize);
        self.sent_at.drain(..too_many);
    }
}

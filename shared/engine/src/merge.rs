//! Anonymous and known are one person: how what a visitor did becomes part of a user.

use crate::bought;
use crate::bounds::{CAP_AT_MOST_MAX, INTERESTS_MAX, OUTCOMES_KEPT_MAX, PLACES_INSIDE_MAX, VIEWED_MAX};
use crate::engagement;
use crate::playbook::Channel;
use crate::program::Program;
use crate::state::{PlayState, UserState};
use crate::verdict::earlier;
use crate::{mobile_push, web_push};

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
            first_seen_at: _,
            program: _,
            registers,
            watched: _,
            segment_changes: _,
            moments,
            facts,
            time_zone,
            position,
            inside,
            viewed,
            interests,
            messaged,
            on_site_at,
            consent,
            bought,
            engagement,
            web_push,
            devices,
            origin,
            last_message_at,
        } = self;
        anonymous_id.is_some()
            || !seen.is_empty()
            || *profile != Default::default()
            || *cart != Default::default()
            || *orders != Default::default()
            || !plays.is_empty()
            || !outcomes.is_empty()
            || !registers.is_empty()
            || !moments.is_empty()
            || !facts.is_empty()
            || time_zone.is_some()
            || position.is_some()
            || !inside.is_empty()
            || !viewed.is_empty()
            || !interests.is_empty()
            || !messaged.is_empty()
            || on_site_at.is_some()
            || !consent.is_empty()
            || !bought.is_empty()
            || !engagement.is_empty()
            || !web_push.is_empty()
            || !devices.is_empty()
            || origin.is_some()
            || last_message_at.is_some()
    }

    /// Takes in what a visitor had done who turned out to be this user. No cart, purchase or used cap
    /// is lost; what this user has ordered since is not put back into the cart.
    pub(crate) fn merge(&mut self, visitor: Self, program: &Program) {
        let visitor_is_newer = visitor.clock > self.clock;
        self.clock = self.clock.max(visitor.clock);
        self.first_seen_at = earlier(self.first_seen_at, visitor.first_seen_at);
        let at = self.clock;
        for (id, theirs) in visitor.registers.iter() {
            let Some(register) = program.register_by_id(id) else { continue };
            match self.registers.get_mut(id) {
                Some(own) => own.merge(theirs.clone(), register, at),
                None => self.registers.set(id, Some(theirs.clone())),
            }
        }
        for theirs in visitor.moments {
            let half_life = program.playbook().moments.moments.get(&theirs.moment).map(|moment| moment.half_life);
            match (self.moments.iter_mut().find(|own| own.moment == theirs.moment), half_life) {
                (Some(own), Some(half_life)) => {
                    let at = own.at.max(theirs.at);
                    own.strength = own.strength_at(at, half_life);
                    own.at = at;
                    own.add(theirs.strength_at(at, half_life), at, half_life);
                }
                (None, Some(_)) => self.moments.push(theirs),
                (_, None) => {}
            }
        }
        for (fact, value) in visitor.facts {
            if visitor_is_newer || !self.facts.contains_key(&fact) {
                self.facts.insert(fact, value);
            }
        }
        if visitor_is_newer || self.time_zone.is_none() {
            self.time_zone = visitor.time_zone.or(self.time_zone.take());
        }
        if let Some(theirs) = visitor.origin {
            self.origin.get_or_insert_default().merge(*theirs);
        }
        self.last_message_at = self.last_message_at.max(visitor.last_message_at);
        self.on_site_at = self.on_site_at.max(visitor.on_site_at);
        if visitor_is_newer || self.position.is_none() {
            self.position = visitor.position.or(self.position);
        }
        for theirs in visitor.inside {
            if let Some(own) = self.inside.iter_mut().find(|own| own.place == theirs.place) {
                own.since = own.since.min(theirs.since);
                own.until = own.until.max(theirs.until);
            } else if self.inside.len() < PLACES_INSIDE_MAX {
                self.inside.push(theirs);
            }
        }
        let own_viewed = core::mem::take(&mut self.viewed);
        let (older, newer) = if visitor_is_newer { (own_viewed, visitor.viewed) } else { (visitor.viewed, own_viewed) };
        self.viewed = older;
        self.viewed.retain(|product| newer.iter().all(|known| known.id != product.id));
        self.viewed.extend(newer);
        let too_many = self.viewed.len().saturating_sub(VIEWED_MAX);
        self.viewed.drain(..too_many);
        let own_bought = core::mem::take(&mut self.bought);
        let (older, newer) = if visitor_is_newer { (own_bought, visitor.bought) } else { (visitor.bought, own_bought) };
        self.bought = bought::merged(older, newer);
        for theirs in visitor.interests {
            match self.interests.iter_mut().find(|own| own.product == theirs.product) {
                Some(own) => {
                    own.interest = own.interest.max(theirs.interest);
                    own.at = own.at.max(theirs.at);
                }
                // The catalogue knows the visitor, who passes on what it says.
                None => self.interests.push(theirs),
            }
        }
        self.interests.sort_by_key(|interest| interest.at);
        let too_many = self.interests.len().saturating_sub(INTERESTS_MAX);
        self.interests.drain(..too_many);
        self.messaged.extend(visitor.messaged);
        self.messaged.sort_unstable();
        let too_many = self.messaged.len().saturating_sub(Channel::ALL.len() * CAP_AT_MOST_MAX as usize);
        self.messaged.drain(..too_many);
        self.consent.merge(&visitor.consent, at);
        engagement::merge(&mut self.engagement, visitor.engagement);
        visitor.web_push.into_iter().for_each(|theirs| web_push::add(&mut self.web_push, theirs));
        visitor.devices.into_iter().for_each(|theirs| mobile_push::add(&mut self.devices, theirs));
        self.seen.merge(&visitor.seen);
        self.profile.merge(visitor.profile, &program.needs.traits);
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
        self.run = match (self.run.take(), theirs.run) {
            (Some(own), Some(other)) if theirs.entered_at > self.entered_at => Some(other).or(Some(own)),
            (own, other) => own.or(other),
        };
        self.entered_at = self.entered_at.max(theirs.entered_at);
        self.exposure = match (self.exposure, theirs.exposure) {
            (Some(own), Some(other)) => Some(if other.at > own.at { other } else { own }),
            (own, other) => own.or(other),
        };
        for (split, variant) in theirs.variants.iter() {
            if self.variants.get(split).is_none() {
                self.variants.set(split, Some(*variant));
            }
        }
        // What starts by the clock is set anew afterwards: whom it concerns may have changed.
        self.messaged_at = self.messaged_at.max(theirs.messaged_at);
        self.sent_at.extend(theirs.sent_at);
        self.sent_at.sort_unstable();
        let too_many = self.sent_at.len().saturating_sub(CAP_AT_MOST_MAX as usize);
        self.sent_at.drain(..too_many);
    }
}

//! The two plays once more, as a person would write them down: slow, obvious, without anything of the
//! engine but its event type. What it decides for a user without links is what the engine must decide.

use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::mailbox::Input;

use crate::playbook::{CAP_WINDOW, CART_VALID_FOR, CUSTOMER_SINCE, WAIT, WELCOME_VALID_FOR};

const CART_PLACES: usize = 20;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What a person would remember of one user. All times in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Model {
    clock: i64,
    /// Product and quantity, the one changed last at the end.
    pub cart: Vec<(String, u32)>,
    /// How many orders there were.
    pub orders: u32,
    ordered_at: Option<i64>,
    /// When the cart will have been left alone long enough.
    pub cart_due: Option<i64>,
    cart_sent: Vec<i64>,
    has_address: bool,
    customer_since: Option<i64>,
    welcomed: bool,
    /// What was decided: the play, and when it was due.
    pub decided: Vec<(&'static str, i64)>,
}

impl Model {
    /// Takes in one input that is no repetition; it is `now`.
    pub fn take(&mut self, input: &Input, now: i64) {
        let at = input.at().as_millis().max(self.clock);
        if let Some(due) = self.cart_due
            && due <= at
        {
            self.cart_due = None;
            let still_worth_it = now - due <= CART_VALID_FOR.as_millis();
            let recently = self.cart_sent.iter().any(|sent| due - sent < CAP_WINDOW.as_millis());
            if !self.cart.is_empty() && still_worth_it && !recently {
                self.cart_sent.push(due);
                self.decided.push(("abandoned_cart", due));
            }
        }
        self.clock = at;
        if let Input::Event { event, .. } = input {
            self.event(event, at, now);
        }
    }

    fn event(&mut self, event: &Event, at: i64, now: i64) {
        match &event.kind {
            EventKind::Track { event: name, .. } => self.track(name, event, at),
            EventKind::Identify { traits } => {
                let says = |name: &str| traits.get(name).and_then(|value| value.as_str());
                self.has_address |= says("email").is_some() || says("phone").is_some();
                if let Some(since) = says(CUSTOMER_SINCE) {
                    let since = kairos_engine::time::Timestamp::parse(since).expect("the simulation sends times");
                    self.customer_since = Some(since.as_millis());
                }
                let old_customer = self.customer_since.is_some_and(|since| at - since > DAY_MS);
                // However late it is told, the moment was when it happened.
                let in_time = now - event.at.as_millis().min(at) <= WELCOME_VALID_FOR.as_millis();
                if self.has_address && !old_customer && in_time && !self.welcomed {
                    self.welcomed = true;
                    self.decided.push(("welcome", at));
                }
            }
            _ => {}
        }
    }

    fn track(&mut self, name: &EventName, event: &Event, at: i64) {
        // What was done to the cart before the last order went with it, however late it is told.
        let cart_is_gone = self.ordered_at.is_some_and(|ordered_at| event.at.as_millis() < ordered_at);
        let products = event.products.iter().filter(|_| !cart_is_gone);
        let products = products.map(|product| (product.id.to_string(), product.quantity));
        match name {
            EventName::ProductAdded => {
                for (id, quantity) in products {
                    let before = self.take_out(&id);
                    self.put_in(id, before + quantity);
                }
            }
            EventName::ProductRemoved => {
                for (id, quantity) in products {
                    let before = self.take_out(&id);
                    if before > quantity {
                        self.put_in(id, before - quantity);
                    }
                }
            }
            EventName::CheckoutStarted => {
                if !event.products.is_empty() && !cart_is_gone {
                    self.cart.clear();
                    for (id, quantity) in products {
                        let before = self.take_out(&id);
                        self.put_in(id, before + quantity);
                    }
                }
            }
            EventName::CheckoutStepViewed => {}
            EventName::OrderCompleted => {
                self.cart.clear();
                self.orders += 1;
                self.ordered_at = Some(at);
            }
            // Looking at things moves nothing.
            _ => return,
        }
        self.cart_due = if self.cart.is_empty() { None } else { Some(at + WAIT.as_millis()) };
    }

    fn take_out(&mut self, id: &str) -> u32 {
        match self.cart.iter().position(|(there, _)| there == id) {
            Some(position) => self.cart.remove(position).1,
            None => 0,
        }
    }

    fn put_in(&mut self, id: String, quantity: u32) {
        if self.cart.len() == CART_PLACES {
            self.cart.remove(0);
        }
        self.cart.push((id, quantity));
    }
}

//! Shoppers, and what they do, as a client would report it.

use std::sync::atomic::{AtomicU32, Ordering};

use kairos_cloud::clock::SystemClock;
use kairos_engine::identifiers::UserKey;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::port::Clock;
use serde_json::{Value, json};

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// The time now.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// Somebody who is nobody else's shopper.
#[derive(Clone, Debug)]
pub(crate) struct Shopper {
    /// The shop's id of them.
    pub(crate) user_id: String,
    /// Their id as a visitor.
    pub(crate) anonymous_id: String,
    /// Their own phone number.
    pub(crate) phone: String,
    /// Their own address.
    pub(crate) email: String,
}

impl Shopper {
    /// A new one; `role` shows in messages of failures.
    pub(crate) fn new(role: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let user_id = format!("{role}-{number}");
        Self {
            anonymous_id: format!("visitor-{user_id}"),
            phone: format!("+1555{number:07}"),
            email: format!("{user_id}@people.example"),
            user_id,
        }
    }

    /// Their actor once they are known.
    pub(crate) fn key(&self) -> UserKey {
        UserKey::known(&self.user_id)
    }

    /// Something they did at that time.
    pub(crate) fn track(&self, at: Timestamp, event: &str, properties: Value) -> Value {
        self.call(at, json!({"type": "track", "event": event, "properties": properties}))
    }

    /// Puts one product into the cart.
    pub(crate) fn adds(&self, at: Timestamp, product: &str) -> Value {
        let properties =
            json!({"product_id": product, "name": product, "price": 19.9, "currency": "EUR", "quantity": 1});
        self.track(at, "Product Added", properties)
    }

    /// Buys what is in the cart.
    pub(crate) fn orders(&self, at: Timestamp) -> Value {
        self.track(at, "Order Completed", json!({"order_id": format!("order-{}", self.user_id), "products": []}))
    }

    /// Says who they are.
    pub(crate) fn identifies(&self, at: Timestamp, traits: Value) -> Value {
        self.call(at, json!({"type": "identify", "traits": traits}))
    }

    /// Says who they are: a customer of long ago, who is not welcomed, with a phone.
    pub(crate) fn is_customer_with_phone(&self, at: Timestamp) -> Value {
        self.identifies(at, json!({"phone": self.phone, "createdAt": "2020-01-01T00:00:00Z"}))
    }

    /// Says who they are: a customer of long ago, who is not welcomed, with an email address.
    pub(crate) fn is_customer_with_email(&self, at: Timestamp) -> Value {
        self.identifies(at, json!({"email": self.email, "createdAt": "2020-01-01T00:00:00Z"}))
    }

    /// The call with who, when and a message id of its own.
    pub(crate) fn call(&self, at: Timestamp, mut call: Value) -> Value {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        call["userId"] = json!(self.user_id);
        call["messageId"] = json!(format!("message-{number}"));
        call["originalTimestamp"] = json!(at.to_string());
        call
    }

    /// The same call by them as a visitor.
    pub(crate) fn as_visitor(&self, mut call: Value) -> Value {
        call.as_object_mut().unwrap().remove("userId");
        call["anonymousId"] = json!(self.anonymous_id);
        call
    }
}

/// When a cart must have been left for its deadline to come in `seconds` from now.
pub(crate) fn left_so_that_due_in(seconds: i64) -> Timestamp {
    now().plus(Span::from_secs(seconds)).minus(super::playbook::CART_WAIT)
}

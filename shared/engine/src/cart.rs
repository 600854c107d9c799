//! What a shopper has put aside to buy.

use alloc::vec::Vec;
use minicbor::{Decode, Encode};

use crate::bounds::{CART_ITEMS_MAX, MESSAGE_ITEMS_MAX};
use crate::event_name::EventName;
use crate::mailbox::CartData;
use crate::money::{Currency, Micros};
use crate::product::Product;
use crate::time::Timestamp;

/// The cart as far as events tell: at most [`CART_ITEMS_MAX`] products, the one changed last at the end.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Cart {
    #[n(0)]
    #[cbor(default)]
    items: Vec<Product>,
    #[n(1)]
    changed_at: Option<Timestamp>,
}

impl Cart {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The products, the one changed last at the end.
    pub fn items(&self) -> &[Product] {
        &self.items
    }

    /// When something last went in or out.
    pub fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at
    }

    /// Takes in a tracked event that happened at `at`. Events that do not concern the cart change nothing.
    pub fn apply(&mut self, event: &EventName, products: &[Product], at: Timestamp) -> bool {
        match event {
            EventName::ProductAdded | EventName::WishlistProductAddedToCart => {
                products.iter().for_each(|product| self.add(product));
            }
            EventName::ProductRemoved => products.iter().for_each(|product| self.remove(product)),
            // A checkout that names its products is what the cart really holds.
            EventName::CheckoutStarted if !products.is_empty() => {
                self.items.clear();
                products.iter().for_each(|product| self.add(product));
            }
            EventName::OrderCompleted => self.items.clear(),
            _ => return false,
        }
        self.changed_at = Some(at);
        true
    }

    fn add(&mut self, product: &Product) {
        let before = self.take(product).map_or(0, |item| item.quantity);
        let mut item = product.clone();
        item.quantity = before.saturating_add(product.quantity);
        self.push(item);
    }

    /// Takes out as many as the event says; without a known quantity in the cart, the whole line.
    fn remove(&mut self, product: &Product) {
        if let Some(mut item) = self.take(product)
            && item.quantity > product.quantity
        {
            item.quantity -= product.quantity;
            self.push(item);
        }
    }

    fn take(&mut self, product: &Product) -> Option<Product> {
        let position = self.items.iter().position(|item| item.id == product.id)?;
        Some(self.items.remove(position))
    }

    fn push(&mut self, item: Product) {
        if self.items.len() == CART_ITEMS_MAX {
            self.items.remove(0);
        }
        self.items.push(item);
    }

    /// Takes in the cart of a visitor who turned out to be this user: no product is lost, none is
    /// counted twice.
    pub fn merge(&mut self, other: Self) {
        let (older, newer) = if other.changed_at > self.changed_at {
            (core::mem::take(self), other)
        } else {
            (other, core::mem::take(self))
        };
        *self = older;
        for mut item in newer.items {
            let before = self.take(&item).map_or(0, |item| item.quantity);
            item.quantity = item.quantity.max(before);
            self.push(item);
        }
        self.changed_at = newer.changed_at.max(self.changed_at);
    }

    /// The sum of all prices, when every product has one and they share a currency, and that currency.
    pub fn total(&self) -> (Option<Micros>, Option<Currency>) {
        let currency = self.items.first().and_then(|item| item.currency);
        let one_currency = self.items.iter().all(|item| item.currency == currency);
        let total = self
            .items
            .iter()
            .try_fold(Micros::default(), |sum, item| Some(sum.plus(item.price?.times(item.quantity))))
            .filter(|_| one_currency && !self.is_empty());
        (total, currency.filter(|_| one_currency))
    }

    /// What templates can show.
    pub fn data(&self) -> CartData {
        let (total, currency) = self.total();
        CartData { items: self.items.iter().rev().take(MESSAGE_ITEMS_MAX).cloned().collect(), total, currency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    fn product(id: &str, quantity: u32) -> Product {
        Product { id: id.into(), quantity, price: Some(Micros::new(2_500_000)), ..Product::default() }
    }

    fn shown(cart: &Cart) -> String {
        cart.items().iter().map(|item| format!("{}×{} ", item.quantity, item.id)).collect()
    }

    #[test]
    fn a_cart_follows_what_goes_in_and_out() {
        let mut cart = Cart::default();
        let at = Timestamp::from_millis;
        for (event, changes, expected) in [
            (EventName::ProductAdded, [product("mug", 1)], "1×mug "),
            (EventName::ProductAdded, [product("tea", 2)], "1×mug 2×tea "),
            (EventName::ProductAdded, [product("mug", 1)], "2×tea 2×mug "),
            (EventName::ProductViewed, [product("pot", 1)], "2×tea 2×mug "),
            (EventName::ProductRemoved, [product("tea", 1)], "2×mug 1×tea "),
            (EventName::ProductRemoved, [product("mug", 5)], "1×tea "),
            (EventName::ProductRemoved, [product("pot", 1)], "1×tea "),
            (EventName::CheckoutStarted, [product("pot", 3)], "3×pot "),
            (EventName::OrderCompleted, [product("pot", 3)], ""),
        ] {
            cart.apply(&event, &changes, at(1));
            assert_eq!(shown(&cart), expected, "after {event}");
        }
    }

    #[test]
    fn a_cart_stays_bounded_and_keeps_what_changed_last() {
        let mut cart = Cart::default();
        for number in 0..100 {
            cart.apply(&EventName::ProductAdded, &[product(&format!("{number}"), 1)], Timestamp::from_millis(number));
        }
        assert_eq!(cart.items().len(), CART_ITEMS_MAX);
        assert_eq!(cart.data().items[0].id, "99");
        assert_eq!(cart.data().total.map(|total| format!("{total}")).as_deref(), Some("50.00"));
    }

    #[test]
    fn merging_loses_nothing_and_counts_nothing_twice() {
        let mut known = Cart::default();
        known.apply(&EventName::ProductAdded, &[product("mug", 2), product("tea", 1)], Timestamp::from_millis(5));
        let mut visitor = Cart::default();
        visitor.apply(&EventName::ProductAdded, &[product("mug", 1), product("pot", 1)], Timestamp::from_millis(9));
        known.merge(visitor.clone());
        assert_eq!(shown(&known), "1×tea 2×mug 1×pot ");
        known.merge(visitor);
        assert_eq!(shown(&known), "1×tea 2×mug 1×pot ");
        assert_eq!(known.changed_at(), Some(Timestamp::from_millis(9)));
    }
}

//! Promotions: what a promo code is good for.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

use super::Share;
use crate::money::Money;
use crate::time::Span;

/// What the codes of a promotion are good for. Each code is for one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// Its name for people.
    pub title: String,
    /// What the holder of a code gets.
    pub discount: Discount,
    /// The least that the order must be worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_total: Option<Money>,
    /// The most that a share may come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_discount: Option<Money>,
    /// How many codes are given at most; as many as there are messages without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// How long a code is good, from the moment on that its message was due.
    pub expires_after: Span,
    /// What its codes begin with: capital letters and digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Who may use a code.
    #[serde(default, skip_serializing_if = "Holder::is_anyone")]
    pub only_for: Holder,
    /// The pool of the shop's own codes that they are taken from; made by Kairos without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
}

/// What the holder of a code gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discount {
    /// A share of what the order is worth.
    Percent(Share),
    /// A fixed amount off the order.
    Amount(Money),
    /// The shipping costs nothing.
    FreeShipping,
}

impl Discount {
    /// Its name in answers and templates.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Percent(_) => "percent",
            Self::Amount(_) => "amount",
            Self::FreeShipping => "free_shipping",
        }
    }
}

impl fmt::Display for Discount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(share) => share.fmt(formatter),
            Self::Amount(money) => money.fmt(formatter),
            Self::FreeShipping => formatter.write_str("free shipping"),
        }
    }
}

/// Who may use a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// Whoever has it.
    #[default]
    Anyone,
    /// The user it was given to.
    User,
}

impl Holder {
    /// Whether anybody may use it.
    pub const fn is_anyone(&self) -> bool {
        matches!(self, Self::Anyone)
    }
}

//! What is kept of a promo code, and what a sale makes of it. Pure.

use kairos_engine::bounds::PROMO_CODE_RETENTION;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{DeliveryId, InputId, UserKey};
use kairos_engine::mailbox::{DeliveryOrder, Input, MailboxMessage};
use kairos_engine::money::{Currency, Micros, Money};
use kairos_engine::playbook::{Discount, Holder, Promotion};
use kairos_engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::code::{CodeKey, NoCode};

/// The name of the source of redemptions, as plays can ask for it.
pub const SOURCE: &str = kairos_engine::event::REDEMPTIONS;

/// A promo code: free in its pool, given to a user, or redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoCode {
    /// As it is shown: `SPRING-H7KM-4XRW-9CFP`.
    pub code: String,
    /// Rises by one with every write.
    pub revision: u32,
    /// When it was last written.
    pub changed_at: Timestamp,
    /// The pool it comes from; none when Kairos made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// To whom it was given, and what it is good for; none while it waits in its pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
    /// The one order it was used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeemed: Option<Redemption>,
}

/// To whom a code was given, and what it is good for: what the message promised holds, whatever the playbook says later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// In which message.
    pub delivery: DeliveryId,
    /// To whom.
    pub user: UserKey,
    /// The play that decided the message.
    pub play: String,
    /// The message of the playbook.
    pub message: String,
    /// The promotion's name.
    pub promotion: String,
    /// Its name for people.
    pub title: String,
    /// What the holder gets.
    pub discount: Discount,
    /// The least that the order must be worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_total: Option<Money>,
    /// The most that a share may come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_discount: Option<Money>,
    /// Who may use it.
    #[serde(default, skip_serializing_if = "Holder::is_anyone")]
    pub only_for: Holder,
    /// When it was given.
    pub at: Timestamp,
    /// Until when it is good: no longer at this very millisecond.
    pub expires_at: Timestamp,
}

/// The one order that a code was used for: what attributes the order to the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redemption {
    /// The shop's id of the order.
    pub order: String,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub channel: SaleChannel,
    /// In which store, by the shop's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// What the order is worth, without the discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Micros>,
    /// In which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// What the customer saves, when that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Micros>,
    /// The user who redeemed it, when the shop said who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserKey>,
    /// Whether it is in the user's mailbox.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub told: bool,
}

/// Where something is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleChannel {
    /// On the site or in the app.
    Online,
    /// In a store.
    Store,
}

impl SaleChannel {
    /// Its name in requests and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Store => "store",
        }
    }
}

/// What a shop says of a sale for which a code is to be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sale {
    /// The shop's id of the order; who only asks may have none yet.
    pub order: Option<String>,
    /// Who buys, as the shop knows them.
    pub user: Option<UserKey>,
    /// Who buys, as a visitor.
    pub visitor: Option<UserKey>,
    /// What the order is worth, without the discount.
    pub total: Option<Micros>,
    /// In which currency.
    pub currency: Option<Currency>,
    /// Where; who only asks need not say.
    pub channel: Option<SaleChannel>,
    /// In which store.
    pub store: Option<String>,
}

/// Why a code is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was never given to anybody, or so long ago that it is forgotten.
    #[error("There is no such code. Look at it again, letter by letter.")]
    Unknown,
    /// Its time is over.
    #[error("The code has expired at {0}.")]
    Expired(Timestamp),
    /// It was used for another order.
    #[error("The code was used for another order at {0}. Each code is for one order.")]
    Used(Timestamp),
    /// It was given to somebody else.
    #[error("The code was given to another user and is only for them.")]
    WrongUser,
    /// Nobody said who buys.
    #[error("The code is only for the user it was given to. Send their `user_id` or `anonymous_id`.")]
    UserMissing,
    /// The order is not worth enough.
    #[error("The code is for orders of at least {0}.")]
    BelowMinimum(Money),
    /// Nobody said what the order is worth.
    #[error("The code is for orders of at least {0}. Send the order's `total` and `currency`.")]
    TotalMissing(Money),
    /// The order is in another currency.
    #[error("The code is for orders in {}.", .0.as_str())]
    WrongCurrency(Currency),
}

impl Refusal {
    /// For programs and counters. Part of the interface: never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown_code",
            Self::Expired(_) => "expired",
            Self::Used(_) => "already_used",
            Self::WrongUser => "wrong_user",
            Self::UserMissing => "user_missing",
            Self::BelowMinimum(_) => "below_minimum",
            Self::TotalMissing(_) => "total_missing",
            Self::WrongCurrency(_) => "wrong_currency",
        }
    }
}

/// What a code and a sale come to, as far as both alone can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be used, if the buyer is who it was given to (`ask_buyer`). What the customer saves, when that can be told.
    Good { discount: Option<Micros>, ask_buyer: bool },
    /// It was used for this very order.
    Again,
    /// It may not.
    Refused(Refusal),
}

#[derive(Deserialize)]
#[serde(tag = "v")]
enum Stored {
    #[serde(rename = "1")]
    V1(PromoCode),
}

#[derive(Serialize)]
#[serde(tag = "v")]
enum ToStore<'a> {
    #[serde(rename = "1")]
    V1(&'a PromoCode),
}

impl PromoCode {
    /// A code of the shop's own, free in its pool.
    ///
    /// # Errors
    /// When the text is no code.
    pub fn in_pool(code: &str, pool: &str, now: Timestamp) -> Result<Self, NoCode> {
        CodeKey::parse(code)?;
        let code = code.trim().to_owned();
        Ok(Self { code, revision: 1, changed_at: now, pool: Some(pool.to_owned()), given: None, redeemed: None })
    }

    /// A code that was made for a delivery.
    pub(super) fn made(code: String, given: Given, now: Timestamp) -> Self {
        Self { code, revision: 1, changed_at: now, pool: None, given: Some(given), redeemed: None }
    }

    /// What it is looked up by.
    ///
    /// # Errors
    /// None for a code that was made or taken into a pool.
    pub fn key(&self) -> Result<CodeKey, NoCode> {
        CodeKey::parse(&self.code)
    }

    /// Whether it was given in this message.
    pub fn is_of(&self, delivery: DeliveryId) -> bool {
        self.given.as_ref().is_some_and(|given| given.delivery == delivery)
    }

    /// The record after it was taken out of its pool.
    pub(super) fn taken(&self, given: Given, now: Timestamp) -> Self {
        Self { given: Some(given), ..self.changed(now) }
    }

    fn changed(&self, now: Timestamp) -> Self {
        Self { revision: self.revision + 1, changed_at: now, ..self.clone() }
    }

    /// What it and a sale come to at `now`.
    pub(super) fn verdict(&self, sale: &Sale, now: Timestamp) -> Verdict {
        let Some(given) = &self.given else { return Verdict::Refused(Refusal::Unknown) };
        if let Some(redeemed) = &self.redeemed {
            // Whatever has changed since then: that order has it.
            return match sale.order.as_ref() == Some(&redeemed.order) {
                true => Verdict::Again,
                false => Verdict::Refused(Refusal::Used(redeemed.at)),
            };
        }
        if now >= given.expires_at {
            return Verdict::Refused(Refusal::Expired(given.expires_at));
        }
        let ask_buyer = given.only_for == Holder::User;
        if ask_buyer && sale.user.is_none() && sale.visitor.is_none() {
            return Verdict::Refused(Refusal::UserMissing);
        }
        match given.savings(sale) {
            Ok(discount) => Verdict::Good { discount, ask_buyer },
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// The record after this order has used it.
    pub(super) fn used(&self, order: &str, sale: &Sale, discount: Option<Micros>, now: Timestamp) -> Self {
        let redemption = Redemption {
            order: order.to_owned(),
            at: now,
            channel: sale.channel.unwrap_or(SaleChannel::Online),
            store: sale.store.clone(),
            total: sale.total,
            currency: sale.currency,
            discount,
            by: sale.user.or(sale.visitor),
            told: false,
        };
        Self { redeemed: Some(redemption), ..self.changed(now) }
    }

    /// The record after its user was told; nothing when there is nothing to tell.
    pub(super) fn told(&self, now: Timestamp) -> Option<Self> {
        let redeemed = self.redeemed.as_ref().filter(|redeemed| !redeemed.told)?;
        Some(Self { redeemed: Some(Redemption { told: true, ..redeemed.clone() }), ..self.changed(now) })
    }

    /// What its user is told of the redemption: Segment's `Coupon Applied`
    /// (<https://segment.com/docs/connections/spec/ecommerce/v2/#coupon-applied>), with what attributes the order. The
    /// same redemption always gives the same message.
    pub fn message(&self) -> Option<MailboxMessage> {
        let (given, redeemed) = (self.given.as_ref()?, self.redeemed.as_ref()?);
        let units = |amount: Micros| json!(amount.get() as f64 / 1e6);
        let known = [
            ("order_id", Some(json!(redeemed.order))),
            ("coupon_id", Some(json!(given.promotion))),
            ("coupon_name", Some(json!(given.title))),
            ("discount", redeemed.discount.map(units)),
            ("total", redeemed.total.map(units)),
            ("currency", redeemed.currency.map(|currency| json!(currency))),
            ("code", Some(json!(self.code))),
            ("channel", Some(json!(redeemed.channel))),
            ("store", redeemed.store.as_ref().map(|store| json!(store))),
            ("delivery_id", Some(json!(given.delivery))),
            ("play", Some(json!(given.play))),
            ("message", Some(json!(given.message))),
        ];
        let properties: Map<_, _> =
            known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let key = self.key().ok()?;
        let id = InputId::of_message(SOURCE, key.as_str());
        // The mailbox says whose it is; who they are stands nowhere here.
        let kind = EventKind::Track { event: EventName::CouponApplied, properties };
        let event = Event::new(id, redeemed.at, SOURCE.to_owned(), None, None, kind, Map::new());
        Some(MailboxMessage::of_inputs(given.user, vec![Input::event(event)]))
    }

    /// When the record may be deleted (DynamoDB's TTL, in whole seconds). Never that of a pool's code: were it gone,
    /// a file that is imported again would bring the code back as if nobody had ever had it.
    pub fn expires_at_secs(&self) -> Option<i64> {
        let given = self.given.as_ref().filter(|_| self.pool.is_none())?;
        let last = given.expires_at.max(self.changed_at);
        Some(last.plus(PROMO_CODE_RETENTION).as_secs())
    }

    /// The record as it is stored: JSON with its version.
    ///
    /// # Errors
    /// Never for a record of this program; the serializer's type allows it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&ToStore::V1(self))
    }

    /// Reads a record of any version.
    ///
    /// # Errors
    /// When it is damaged, or of a version that this program does not know yet.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let Stored::V1(code) = serde_json::from_str(text)?;
        Ok(code)
    }
}

impl Given {
    /// What a code of this promotion is good for, in this message.
    pub(super) fn of(order: &DeliveryOrder, name: &str, promotion: &Promotion, now: Timestamp) -> Self {
        Self {
            delivery: order.delivery,
            user: order.user,
            play: order.play.clone(),
            message: order.message.clone(),
            promotion: name.to_owned(),
            title: promotion.title.clone(),
            discount: promotion.discount.clone(),
            minimum_total: promotion.minimum_total,
            maximum_discount: promotion.maximum_discount,
            only_for: promotion.only_for,
            at: now,
            expires_at: order.due_at.plus(promotion.expires_after),
        }
    }

    /// The currency of its amounts: one for all of them; none when it has no amounts.
    pub fn currency(&self) -> Option<Currency> {
        let fixed = match &self.discount {
            Discount::Amount(money) => Some(money),
            Discount::Percent(_) | Discount::FreeShipping => None,
        };
        let money = fixed.or(self.minimum_total.as_ref()).or(self.maximum_discount.as_ref());
        money.map(|money| money.currency)
    }

    /// What the customer saves with this sale, when that can be told.
    fn savings(&self, sale: &Sale) -> Result<Option<Micros>, Refusal> {
        if let (Some(wanted), Some(given)) = (self.currency(), sale.currency)
            && wanted != given
        {
            return Err(Refusal::WrongCurrency(wanted));
        }
        if let Some(minimum) = self.minimum_total {
            // A total in nobody knows which currency says nothing.
            let total = sale.total.filter(|_| sale.currency.is_some()).ok_or(Refusal::TotalMissing(minimum))?;
            if total < minimum.amount {
                return Err(Refusal::BelowMinimum(minimum));
            }
        }
        Ok(match &self.discount {
            Discount::FreeShipping => None,
            Discount::Amount(money) => Some(sale.total.map_or(money.amount, |total| total.min(money.amount))),
            // To the hundredth, half up, as prices are shown. A total has at most 10¹⁵ millionths.
            Discount::Percent(share) => sale.total.map(|total| {
                let hundredths = (i128::from(total.get()) * i128::from(share.0) / 10_000 + 5_000) / 10_000;
                let saved = i64::try_from(hundredths * 10_000).map_or(total, Micros::new);
                self.maximum_discount.map_or(saved, |most| saved.min(most.amount)).min(total)
            }),
        })
    }
}

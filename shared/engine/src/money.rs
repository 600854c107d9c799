//! Amounts of money, exact.

use alloc::string::String;
use core::fmt;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// An ISO 4217 currency code: three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Currency(#[n(0)] minicbor::bytes::ByteArray<3>);

impl Currency {
    /// Reads a code in any case; `None` when it is not three ASCII letters.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 3] = text.trim().as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(minicbor::bytes::ByteArray::from(bytes.map(|byte| byte.to_ascii_uppercase()))))
    }

    /// The code, as in `EUR`.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&*self.0).expect("only ASCII letters are ever stored")
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a currency is three letters, as in EUR"))
    }
}

/// An amount in millionths of the currency's unit, as in Google's `amount_micros`: exact for every
/// currency without a table of exponents. Travels as that number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Micros(#[n(0)] i64);

impl Micros {
    const PER_UNIT: i64 = 1_000_000;

    /// From millionths.
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// Millionths.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads the price of a client's product: a number, or a number in a string. `None` when it is
    /// neither, negative, or a billion units or more.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => match number.as_i64() {
                Some(units) => Self::in_range(units.checked_mul(Self::PER_UNIT)?),
                // Half-up to the millionth: far finer than any price, so binary fractions vanish.
                None => number
                    .as_f64()
                    .filter(|units| units.abs() < 1e9)
                    .and_then(|units| Self::in_range((units * 1e6 + 0.5) as i64)),
            },
            Value::String(text) => {
                let number: f64 = text.trim().parse().ok()?;
                (number.is_finite() && number.abs() < 1e9).then_some(())?;
                Self::in_range((number * 1e6 + 0.5) as i64)
            }
            _ => None,
        }
    }

    fn in_range(micros: i64) -> Option<Self> {
        (0..1_000_000_000 * Self::PER_UNIT).contains(&micros).then_some(Self(micros))
    }

    /// This amount `count` times; stays at the largest amount instead of overflowing.
    #[must_use]
    pub const fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count as i64))
    }

    /// The sum; stays at the largest amount instead of overflowing.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Micros {
    /// Two decimals, rounded half up: `35.79`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0.unsigned_abs() + 5_000) / 10_000;
        let sign = if self.0 < 0 && hundredths > 0 { "-" } else { "" };
        write!(formatter, "{sign}{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// An amount in a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// How much.
    pub amount: Micros,
    /// Of what.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount, self.currency.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use serde_json::json;

    #[test]
    fn prices_are_read_as_shops_send_them() {
        for (value, shown) in [
            (json!(35.79), Some("35.79")),
            (json!(0.1), Some("0.10")),
            (json!(12), Some("12.00")),
            (json!("19.990"), Some("19.99")),
            (json!(0), Some("0.00")),
            (json!(-1), None),
            (json!("free"), None),
            (json!("NaN"), None),
            (json!(1e300), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            assert_eq!(Micros::from_json(&value).map(|price| price.to_string()).as_deref(), shown, "{value}");
        }
    }

    #[test]
    fn a_currency_is_three_letters() {
        assert_eq!(Currency::parse(" eur ").map(|currency| currency.as_str().to_string()).as_deref(), Some("EUR"));
        for text in ["", "EU", "EURO", "E1R", "€€€"] {
            assert!(Currency::parse(text).is_none(), "{text}");
        }
    }
}

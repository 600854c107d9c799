//! What can be done to a value: a closed set, each bounded.

use kairos_engine::money::{Currency, Micros};

use crate::names::Kind;
use crate::problem::{Problem, instead};
use crate::render::{Fault, Work};
use crate::value::Value;

macro_rules! filters {
    ($( $variant:ident = $name:literal, $arguments:expr; )*) => {
        /// A filter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum FilterKind { $( $variant, )* }

        impl FilterKind {
            const ALL: &'static [(&'static str, Self, core::ops::RangeInclusive<usize>)] =
                &[ $( ($name, Self::$variant, $arguments), )* ];
        }
    };
}

filters! {
    Append = "append", 1..=1;
    Capitalize = "capitalize", 0..=0;
    Default = "default", 1..=1;
    DividedBy = "divided_by", 1..=1;
    Downcase = "downcase", 0..=0;
    Minus = "minus", 1..=1;
    Money = "money", 0..=1;
    Plus = "plus", 1..=1;
    Prepend = "prepend", 1..=1;
    Remove = "remove", 1..=1;
    Replace = "replace", 2..=2;
    Size = "size", 0..=0;
    Strip = "strip", 0..=0;
    Times = "times", 1..=1;
    Truncate = "truncate", 0..=2;
    Upcase = "upcase", 0..=0;
    UrlEncode = "url_encode", 0..=0;
}

impl FilterKind {
    /// The filter with this name on a value of this kind, and the kind of its result.
    pub(crate) fn check(name: &str, input: Kind, arguments: usize, at: usize) -> Result<(Self, Kind), Problem> {
        let Some((_, filter, wanted)) = Self::ALL.iter().find(|(known, ..)| *known == name) else {
            let help = match name {
                "escape" | "escape_once" | "h" => "leave it out: values in HTML are escaped already".into(),
                "raw" | "safe" => "leave it out: data never becomes markup".into(),
                "strip_newlines" | "newline_to_br" => "leave it out: values never contain line breaks".into(),
                _ => {
                    let names: Vec<_> = Self::ALL.iter().map(|(known, ..)| *known).collect();
                    instead(name, &names)
                }
            };
            return Err(Problem::new(at, format!("there is no filter `{name}`")).help(help));
        };
        if !wanted.contains(&arguments) {
            let many = if wanted.start() == wanted.end() {
                format!("{}", wanted.start())
            } else {
                format!("{} to {}", wanted.start(), wanted.end())
            };
            return Err(Problem::new(at, format!("`{name}` takes {many} arguments, not {arguments}"))
                .help("arguments follow a colon, as in `{{ item.name | truncate: 40 }}`"));
        }
        let amount = matches!(input, Kind::Number | Kind::Money | Kind::Any);
        if matches!(filter, Self::Money | Self::Plus | Self::Minus | Self::Times | Self::DividedBy) && !amount {
            return Err(Problem::new(at, format!("`{name}` needs a number or a price"))
                .help("use it on `item.price`, `item.quantity` or `cart.total`"));
        }
        let counted = *filter == Self::Size && input == Kind::Items;
        if !(input.is_shown() || counted) {
            return Err(Problem::new(at, format!("`{name}` needs a text, a number or a price"))
                .help("name a part of the value, as in `cart.items.first.name`"));
        }
        let result = match filter {
            Self::Plus | Self::Minus | Self::Times | Self::DividedBy => input,
            Self::Size => Kind::Number,
            Self::Default => Kind::Any,
            _ => Kind::Text,
        };
        Ok((*filter, result))
    }

    /// Applies it. Nothing (a missing value) stays nothing, except for `default` and `size`.
    pub(crate) fn apply<'a>(
        self,
        input: Value<'a>,
        arguments: &[Value<'a>],
        work: &mut Work,
    ) -> Result<Value<'a>, Fault> {
        let argument = |at: usize| arguments.get(at).cloned().unwrap_or(Value::Nil);
        if self == Self::Default {
            return Ok(if input.is_missing() { argument(0) } else { input });
        }
        if let (Self::Size, Value::Items(items)) = (self, &input) {
            return Ok(Value::count(items.len()));
        }
        if input.is_nil() {
            return Ok(if self == Self::Size { Value::count(0) } else { Value::Nil });
        }
        Ok(match self {
            Self::Plus | Self::Minus | Self::Times | Self::DividedBy => self.calculate(&input, &argument(0)),
            Self::Money => match input.amount() {
                Some(micros) => {
                    let text = money(micros, input.currency(), &argument(0).text());
                    work.text(text.len())?;
                    Value::owned(text)
                }
                None => Value::Nil,
            },
            _ => {
                self.on_text(&input.text(), &arguments.iter().map(Value::text).collect::<Vec<_>>(), arguments, work)?
            }
        })
    }

    /// Exact, in millionths; nothing when it cannot be told (a text, a division by zero, too large).
    fn calculate<'a>(self, input: &Value<'a>, other: &Value<'a>) -> Value<'a> {
        let result = input.amount().zip(other.amount()).and_then(|(left, right)| {
            let (left, right) = (i128::from(left), i128::from(right));
            let result = match self {
                Self::Plus => left + right,
                Self::Minus => left - right,
                Self::Times => left * right / 1_000_000,
                _ => (left * 1_000_000).checked_div(right)?,
            };
            i64::try_from(result).ok()
        });
        match (result, input) {
            (None, _) => Value::Nil,
            (Some(micros), Value::Money(_, currency)) => Value::Money(micros, *currency),
            (Some(micros), _) => Value::Number(micros),
        }
    }

    fn on_text<'a>(
        self,
        input: &str,
        arguments: &[std::borrow::Cow<'_, str>],
        values: &[Value<'a>],
        work: &mut Work,
    ) -> Result<Value<'a>, Fault> {
        let argument = |at: usize| arguments.get(at).map_or("", |text| text.as_ref());
        // Reading costs as well as writing: a search through a long text is work.
        work.text(input.len())?;
        let mut out = work.builder();
        match self {
            Self::Append => {
                out.push(input)?;
                out.push(argument(0))?;
            }
            Self::Prepend => {
                out.push(argument(0))?;
                out.push(input)?;
            }
            Self::Strip => out.push(input.trim())?,
            Self::Upcase => out.push(&input.to_uppercase())?,
            Self::Downcase => out.push(&input.to_lowercase())?,
            Self::Capitalize => {
                let mut rest = input.chars();
                let first: String = rest.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
                out.push(&first)?;
                out.push(rest.as_str())?;
            }
            Self::Remove | Self::Replace => {
                let (wanted, other) = (argument(0), if self == Self::Replace { argument(1) } else { "" });
                if wanted.is_empty() {
                    out.push(input)?;
                } else {
                    for (number, part) in input.split(wanted).enumerate() {
                        if number > 0 {
                            out.push(other)?;
                        }
                        out.push(part)?;
                    }
                }
            }
            Self::Truncate => {
                let wanted = values.first().and_then(Value::amount).map_or(50, |micros| micros / 1_000_000);
                let chars_max = usize::try_from(wanted).unwrap_or(0);
                let ellipsis = arguments.get(1).map_or("...", |text| text.as_ref());
                if input.chars().nth(chars_max).is_none() {
                    out.push(input)?;
                } else {
                    let kept = chars_max.saturating_sub(ellipsis.chars().count());
                    let end = input.char_indices().nth(kept).map_or(input.len(), |(at, _)| at);
                    out.push(&input[..end])?;
                    out.push(ellipsis)?;
                }
            }
            Self::UrlEncode => {
                for byte in input.bytes() {
                    match byte {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                            out.push(char::from(byte).encode_utf8(&mut [0; 4]))?;
                        }
                        _ => out.push(&format!("%{byte:02X}"))?,
                    }
                }
            }
            Self::Size => return Ok(Value::count(input.chars().count())),
            Self::Default | Self::DividedBy | Self::Minus | Self::Money | Self::Plus | Self::Times => {
                unreachable!("`apply` answers these itself")
            }
        }
        Ok(Value::owned(out.finish()))
    }
}

/// An amount with its currency, as in `35.79 EUR`: as many decimals as ISO 4217 gives the currency,
/// with `mark` before them when it is not empty.
fn money(micros: i64, currency: Option<Currency>, mark: &str) -> String {
    let amount = match currency.as_ref().map(Currency::as_str) {
        // ISO 4217, currencies without a minor unit.
        Some(
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF",
        ) => {
            let units = (micros.unsigned_abs() + 500_000) / 1_000_000;
            format!("{}{units}", if micros < 0 && units > 0 { "-" } else { "" })
        }
        // ISO 4217, currencies with a thousandth.
        Some("BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND") => {
            let thousandths = (micros.unsigned_abs() + 500) / 1_000;
            let sign = if micros < 0 && thousandths > 0 { "-" } else { "" };
            format!("{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000)
        }
        _ => Micros::new(micros).to_string(),
    };
    let amount = if mark.is_empty() { amount } else { amount.replace('.', mark) };
    match currency {
        Some(currency) => format!("{amount} {}", currency.as_str()),
        None => amount,
    }
}

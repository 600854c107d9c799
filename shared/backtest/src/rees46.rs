//! One row of REES46's open data ("eCommerce behavior data from multi category store"): CSV with `event_time,
//! event_type, product_id, category_id, category_code, brand, price, user_id, user_session`.

use std::fmt::Display;

use kairos_engine::bounds::TEXT_BYTES_MAX;
use kairos_engine::event_name::EventName;
use kairos_engine::time::Timestamp;
use serde_json::{Map, Value};

use crate::formats::moment;

/// Where the columns are.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    time: usize,
    kind: usize,
    product: usize,
    category: usize,
    brand: usize,
    price: usize,
    user: usize,
    session: usize,
}

/// What a row says.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    /// Who.
    pub user_id: &'r str,
    /// When.
    pub at: Timestamp,
    /// What, in the format's own word: `view`, `cart`, `remove_from_cart` or `purchase`.
    pub kind: &'static str,
    /// Which product.
    pub product_id: &'r str,
    /// In which visit.
    pub session: &'r str,
    pub(crate) known: &'static Known,
    pub(crate) category: &'r str,
    pub(crate) brand: &'r str,
    pub(crate) price: Option<f64>,
}

/// A word of the format, and what it means.
pub(crate) type Known = (&'static str, EventName);

/// The format's words.
static KINDS: [Known; 4] = [
    ("view", EventName::ProductViewed),
    ("cart", EventName::ProductAdded),
    ("remove_from_cart", EventName::ProductRemoved),
    ("purchase", EventName::OrderCompleted),
];

impl Columns {
    /// By the header, in which `find` looks up a name.
    ///
    /// # Errors
    /// The name of a column that is missing.
    pub fn of(find: impl Fn(&str) -> Option<usize>) -> Result<Self, &'static str> {
        let column = |name: &'static str| find(name).ok_or(name);
        Ok(Self {
            time: column("event_time")?,
            kind: column("event_type")?,
            product: column("product_id")?,
            category: column("category_code")?,
            brand: column("brand")?,
            price: column("price")?,
            user: column("user_id")?,
            session: column("user_session")?,
        })
    }

    /// Reads a row, of which `field` gives the fields, and whose ids have at most so many bytes. One `clock` goes from
    /// row to row.
    ///
    /// # Errors
    /// What is wrong and what is expected.
    pub fn read<'r>(
        &self,
        field: impl Fn(usize) -> Option<&'r str>,
        id_bytes_max: usize,
        clock: &mut Clock,
    ) -> Result<Row<'r>, String> {
        let field = |index: usize| trimmed(field(index).unwrap_or_default());
        let short = |name: &str, index: usize| match field(index) {
            text if text.len() > id_bytes_max => {
                Err(format!("{name} has {} bytes and may have {id_bytes_max}", text.len()))
            }
            text => Ok(text),
        };
        let id = |name: &str, index: usize| match short(name, index)? {
            "" => Err(format!("{name} is empty")),
            text => Ok(text),
        };
        let time = field(self.time);
        let kind = field(self.kind);
        let Some(known) = KINDS.iter().find(|(known, _)| *known == kind) else {
            let known: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
            return Err(format!("event_type is {kind:?} and must be one of {}", known.join(", ")));
        };
        let (category, brand) = (field(self.category), field(self.brand));
        if category.len() > TEXT_BYTES_MAX || brand.len() > TEXT_BYTES_MAX {
            return Err(format!("category_code or brand has more than {TEXT_BYTES_MAX} bytes"));
        }
        Ok(Row {
            user_id: id("user_id", self.user)?,
            at: clock
                .read(time)
                .ok_or_else(|| format!("event_time is {time:?} and must be like 2019-10-01 00:00:00 UTC"))?,
            kind: known.0,
            known,
            product_id: id("product_id", self.product)?,
            session: short("user_session", self.session)?,
            category,
            brand,
            price: price(field(self.price))?,
        })
    }
}

impl Row<'_> {
    /// What it is in Segment's vocabulary.
    pub fn event(&self) -> EventName {
        self.known.1.clone()
    }

    /// Whether that is an order.
    pub(crate) fn is_order(&self) -> bool {
        self.known.1 == EventName::OrderCompleted
    }

    /// The properties of that event: the product, or an order of it, because the format has one line for each
    /// product bought.
    pub fn properties(&self, order_id: impl Display, currency: Option<&str>) -> Map<String, Value> {
        let product: Map<String, Value> =
            self.details(currency).map(|(name, detail)| (name.to_owned(), detail.value())).collect();
        if !self.is_order() {
            return product;
        }
        let mut order = Map::new();
        order.insert("order_id".into(), order_id.to_string().into());
        if let Some(price) = self.price {
            order.insert("total".into(), price.into());
            if let Some(currency) = currency {
                order.insert("currency".into(), currency.into());
            }
        }
        order.insert("products".into(), Value::Array(vec![Value::Object(product)]));
        order.insert("session".into(), self.session.into());
        order
    }

    /// What is said of the product, in the order of the names, which is a map's.
    fn details<'d>(&'d self, currency: Option<&'d str>) -> impl Iterator<Item = (&'static str, Detail<'d>)> {
        let known = |text: &'d str| (!text.is_empty()).then_some(Detail::Text(text));
        let details = [
            ("brand", known(self.brand)),
            ("category", known(self.category)),
            ("currency", currency.filter(|_| self.price.is_some()).map(Detail::Text)),
            ("name", Some(Detail::NameOf(self))),
            ("price", self.price.map(Detail::Price)),
            ("product_id", Some(Detail::Text(self.product_id))),
            ("quantity", Some(Detail::One)),
        ];
        details.into_iter().filter_map(|(name, detail)| Some((name, detail?)))
    }

    /// Which properties its event has.
    pub(crate) fn shape(&self) -> Shape {
        let known = [!self.brand.is_empty(), !self.category.is_empty(), self.price.is_some()];
        Shape { kind: std::ptr::from_ref(self.known).addr(), known }
    }

    /// Writes the product over another one, whose event has the same [`Shape`] and is no order.
    pub(crate) fn write_over(&self, product: &mut Map<String, Value>, currency: Option<&str>) {
        product.values_mut().zip(self.details(currency)).for_each(|(value, (_, detail))| detail.write(value));
    }

    /// The format has no names: brand and the end of the category make one.
    fn push_name(&self, name: &mut String) {
        let kind = match self.category.bytes().rposition(|byte| byte == b'.') {
            Some(point) => &self.category[point + 1..],
            None => self.category,
        };
        name.push_str(self.brand);
        if !self.brand.is_empty() && !kind.is_empty() {
            name.push(' ');
        }
        // Words of a category are joined by underscores.
        name.extend(kind.chars().map(|letter| if letter == '_' { ' ' } else { letter }));
        if name.is_empty() {
            name.push_str("Product ");
            name.push_str(self.product_id);
        }
    }
}

/// Which properties the event of a row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Which of the format's words, by where it stands.
    kind: usize,
    /// Whether brand, category and price are known.
    known: [bool; 3],
}

/// A detail of a product.
enum Detail<'r> {
    Text(&'r str),
    /// What the product of a row is called.
    NameOf(&'r Row<'r>),
    Price(f64),
    /// One of it.
    One,
}

impl Detail<'_> {
    fn value(&self) -> Value {
        match self {
            Self::Text(text) => (*text).into(),
            Self::NameOf(row) => {
                let mut name = String::with_capacity(row.brand.len() + 1 + row.category.len());
                row.push_name(&mut name);
                name.into()
            }
            Self::Price(price) => (*price).into(),
            Self::One => 1.into(),
        }
    }

    /// Writes it over what stands there.
    fn write(&self, value: &mut Value) {
        match (self, value) {
            (Self::Text(text), Value::String(known)) => {
                known.clear();
                known.push_str(text);
            }
            (Self::NameOf(row), Value::String(known)) => {
                known.clear();
                row.push_name(known);
            }
            (_, value) => *value = self.value(),
        }
    }
}

/// Reads times. Rows that follow each other often have the same.
#[derive(Debug, Default)]
pub struct Clock(Option<(String, Timestamp)>);

impl Clock {
    fn read(&mut self, text: &str) -> Option<Timestamp> {
        match &self.0 {
            Some((known, at)) if known == text => Some(*at),
            _ => {
                let at = moment::parse(text)?;
                self.0 = Some((text.to_owned(), at));
                Some(at)
            }
        }
    }
}

/// Without blanks around it, which few fields have.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [first, ..] | [.., first] if !first.is_ascii_graphic() => text.trim(),
        _ => text,
    }
}

/// A price; zero stands for unknown.
fn price(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(price) if price.is_finite() && price >= 0.0 => Ok((price > 0.0).then_some(price)),
        _ => Err(format!("price is {text:?} and must be a number, as in 35.79")),
    }
}

//! Tables: one description for the page, for CSV and for JSON. So every table of every page can be had as a file, with what
//! its address has filtered, and nothing is left away in one of them.

use askama::Template;
use kairos_engine::money::Micros;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::format::{self, NOTHING, ShopClock};
use crate::page::Rendered;
use crate::problem::Problem;
use crate::request::{Fields, PageRequest};

/// A wish for a file: which table, in which format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The table.
    pub table: String,
    /// The format.
    pub format: Format,
}

/// What tables are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, for spreadsheets.
    Csv,
    /// A list of objects.
    Json,
}

impl Export {
    /// What a query asks for, as in `?export=csv&table=plays`.
    ///
    /// # Errors
    /// When it asks for another format.
    pub fn of(query: &Fields) -> Result<Option<Self>, Problem> {
        let format = match query.get("export") {
            None => return Ok(None),
            Some("csv") => Format::Csv,
            Some("json") => Format::Json,
            Some(_) => return Err(Problem::NotUnderstood("Tables are exported as csv or json.".to_owned())),
        };
        Ok(Some(Self { table: query.get("table").unwrap_or_default().to_owned(), format }))
    }
}

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A text that leads somewhere: an address of ours.
    Link(String, String),
    /// How many.
    Count(u64),
    /// A part of one.
    Percent(Option<f64>),
    /// A part of one, drawn as a bar as well.
    Bar(Option<f64>),
    /// A number with digits behind the point.
    Number(Option<f64>),
    /// An amount and its currency.
    Money(Micros, String),
    /// A figure in words, as `+1.2 pp` or `€5.00 to €7.50`.
    Figure(String),
    /// An instant.
    Time(Timestamp),
    /// A length of time.
    Span(Option<Span>),
    /// A word that says how things stand, and which kind that is: `good`, `bad`, `warn`, `plain`.
    Badge(&'static str, String),
    /// Nothing can be said.
    Nothing,
}

impl Cell {
    /// A figure in words, or that nothing can be said.
    pub fn figure(text: Option<String>) -> Self {
        text.map_or(Self::Nothing, Self::Figure)
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A text that leads to a page.
    pub fn link(text: impl Into<String>, address: impl Into<String>) -> Self {
        Self::Link(text.into(), address.into())
    }

    fn shown(&self, clock: &ShopClock) -> String {
        match self {
            Self::Text(text) | Self::Link(text, _) | Self::Badge(_, text) | Self::Figure(text) => text.clone(),
            Self::Count(number) => format::count(*number),
            Self::Percent(part) | Self::Bar(part) => part.map_or_else(|| NOTHING.to_owned(), format::percent),
            Self::Number(number) => number.map_or_else(|| NOTHING.to_owned(), |number| format!("{number:.2}")),
            Self::Money(amount, currency) => format::money(*amount, currency),
            Self::Time(at) => clock.time(*at),
            Self::Span(span) => span.map_or_else(|| NOTHING.to_owned(), format::span),
            Self::Nothing => NOTHING.to_owned(),
        }
    }

    /// As programs read it: numbers plain, amounts in units, times in RFC 3339, lengths in seconds.
    fn plain(&self) -> Value {
        match self {
            Self::Text(text) | Self::Link(text, _) | Self::Badge(_, text) | Self::Figure(text) => json!(text),
            Self::Count(number) => json!(number),
            Self::Percent(number) | Self::Bar(number) | Self::Number(number) => json!(number),
            Self::Money(amount, currency) => {
                json!({ "amount": amount.get() as f64 / 1e6, "currency": currency })
            }
            Self::Time(at) => json!(at.to_string()),
            Self::Span(span) => json!(span.map(|span| span.as_millis() as f64 / 1_000.0)),
            Self::Nothing => Value::Null,
        }
    }

    const fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Link(..) | Self::Badge(..) | Self::Time(_) | Self::Nothing)
    }
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its name in addresses and files: letters, digits and `_`.
    pub name: String,
    /// What it is about, above it.
    pub caption: String,
    /// A sentence below that.
    pub note: String,
    /// What is said when it has no rows: what would have to happen.
    pub empty: String,
    /// The columns: a name for programs, and a title. Columns of money are written as two.
    pub columns: Vec<(String, String)>,
    /// The rows, of as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// How a cell stands in a page.
struct Shown {
    text: String,
    address: Option<String>,
    is_number: bool,
    /// In thousandths of the whole, for its bar.
    bar: Option<u32>,
    badge: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "table.html")]
struct Html<'a> {
    table: &'a Table,
    heads: Vec<(&'a str, bool)>,
    rows: Vec<Vec<Shown>>,
    csv: String,
    json: String,
}

impl Table {
    /// A table without rows yet.
    pub fn new(
        name: impl Into<String>,
        caption: impl Into<String>,
        columns: Vec<(&'static str, &'static str)>,
    ) -> Self {
        let columns = columns.into_iter().map(|(name, title)| (name.to_owned(), title.to_owned())).collect();
        Self { name: name.into(), caption: caption.into(), columns, ..Self::default() }
    }

    /// The same with more columns, whose names the data give.
    #[must_use]
    pub fn with_columns(mut self, columns: impl IntoIterator<Item = (String, String)>) -> Self {
        self.columns.extend(columns);
        self
    }

    /// The same, with what is said when it stays without rows.
    #[must_use]
    pub fn or_when_empty(mut self, said: impl Into<String>) -> Self {
        self.empty = said.into();
        self
    }

    /// The same, with a sentence below its caption.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// As it stands in a page, with links to the files.
    pub fn html(&self, request: &PageRequest, clock: &ShopClock) -> Rendered {
        let is_number = |place: usize| self.rows.iter().any(|row| row.get(place).is_some_and(Cell::is_number));
        let numbers: Vec<bool> = (0..self.columns.len()).map(is_number).collect();
        let heads =
            self.columns.iter().zip(&numbers).map(|((_, title), is_number)| (title.as_str(), *is_number)).collect();
        let show = |(cell, is_number): (&Cell, &bool)| Shown {
            text: cell.shown(clock),
            address: match cell {
                Cell::Link(_, address) => Some(address.clone()),
                _ => None,
            },
            is_number: *is_number,
            bar: match cell {
                Cell::Bar(Some(part)) => Some((part.clamp(0.0, 1.0) * 1_000.0) as u32),
                _ => None,
            },
            badge: match cell {
                Cell::Badge(kind, _) => Some(*kind),
                _ => None,
            },
        };
        let rows = self.rows.iter().map(|row| row.iter().zip(&numbers).map(show).collect()).collect();
        let address = |format: &str| {
            let query = request.query.with("export", Some(format)).with("table", Some(&self.name));
            format!("{}{}", request.path(), query.query())
        };
        Rendered::of(&Html { table: self, heads, rows, csv: address("csv"), json: address("json") })
    }

    /// As a file.
    pub fn file(&self, format: Format) -> Answer {
        match format {
            Format::Csv => Answer::file(&format!("{}.csv", self.name), "text/csv; charset=utf-8", self.csv()),
            Format::Json => Answer::file(&format!("{}.json", self.name), "application/json", self.json()),
        }
    }

    fn json(&self) -> String {
        let object = |row: &Vec<Cell>| {
            let pairs = self.columns.iter().zip(row).map(|((name, _), cell)| (name.clone(), cell.plain()));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect()).to_string()
    }

    fn csv(&self) -> String {
        let is_money = |place: usize| self.rows.iter().any(|row| matches!(row.get(place), Some(Cell::Money(..))));
        let money: Vec<bool> = (0..self.columns.len()).map(is_money).collect();
        let mut csv = String::new();
        let mut line = |fields: Vec<String>| {
            csv.push_str(&fields.join(","));
            csv.push_str("\r\n");
        };
        let mut heads = Vec::new();
        for ((name, _), is_money) in self.columns.iter().zip(&money) {
            heads.push(quoted(name));
            heads.extend(is_money.then(|| quoted(&format!("{name}_currency"))));
        }
        line(heads);
        for row in &self.rows {
            let mut fields = Vec::new();
            for (cell, is_money) in row.iter().zip(&money) {
                match cell.plain() {
                    Value::Null => {
                        fields.push(String::new());
                        fields.extend(is_money.then(String::new));
                    }
                    Value::String(text) => {
                        fields.push(quoted(&text));
                        fields.extend(is_money.then(String::new));
                    }
                    Value::Object(money) => {
                        fields.push(money["amount"].to_string());
                        fields.push(quoted(money["currency"].as_str().unwrap_or_default()));
                    }
                    other => {
                        fields.push(other.to_string());
                        fields.extend(is_money.then(String::new));
                    }
                }
            }
            line(fields);
        }
        csv
    }
}

/// A text as a field of CSV. What a spreadsheet would take for a formula gets an apostrophe in front
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = format!("{}{text}", if is_formula { "'" } else { "" });
    let needs_quotes = text.contains([',', '"', '\n', '\r', ';', '\t']);
    if needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("plays", "Plays", vec![("play", "Play"), ("sent", "Sent"), ("value", "Value")]);
        table.rows.push(vec![
            Cell::text("a,\"b\""),
            Cell::Count(1_200),
            Cell::Money(Micros::new(-1_500_000), "EUR".into()),
        ]);
        table.rows.push(vec![Cell::text("=HYPERLINK(\"x\")"), Cell::Nothing, Cell::Nothing]);
        table
    }

    #[test]
    fn a_table_says_the_same_in_csv_and_in_json() {
        let csv =
            "play,sent,value,value_currency\r\n\"a,\"\"b\"\"\",1200,-1.5,EUR\r\n\"'=HYPERLINK(\"\"x\"\")\",,,\r\n";
        assert_eq!(table().csv(), csv);
        let json: Value = serde_json::from_str(&table().json()).unwrap();
        let first = json!({"play": "a,\"b\"", "sent": 1_200, "value": {"amount": -1.5, "currency": "EUR"}});
        assert_eq!(json, json!([first, {"play": "=HYPERLINK(\"x\")", "sent": null, "value": null}]));
    }

    #[test]
    fn no_spreadsheet_takes_a_text_for_a_formula() {
        for (text, field) in [
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("a=1", "a=1"),
            ("a;b", "\"a;b\""),
        ] {
            assert_eq!(quoted(text), field);
        }
    }

    #[test]
    fn an_export_is_of_a_known_format() {
        let export = |query: &str| Export::of(&Fields::read(query).unwrap());
        assert_eq!(export("").unwrap(), None);
        let wanted = Export { table: "plays".into(), format: Format::Csv };
        assert_eq!(export("export=csv&table=plays").unwrap(), Some(wanted));
        assert!(export("export=exe").is_err());
    }
}

//! The formats of recordings: what a row of each becomes.

mod archive;
mod ga4;
pub(crate) mod moment;
mod purchases;
mod rees46;
mod rows;
mod segment;

use std::collections::HashMap;
use std::fmt;

use kairos_engine::money::Currency;
use kairos_engine::product::shortened;
use serde::Serialize;
use serde_json::Value;

pub use purchases::PurchaseColumns;
pub(crate) use purchases::{OpenOrder, finish, stitch};
pub(crate) use rees46::Made;
pub(crate) use rows::{Recorded, Routed, Rows};

use purchases::Purchases;
use rees46::Rees46;
use segment::Segment;

/// The formats of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Calls of the Segment spec, one or a batch in each line, as archives in S3 hold them.
    Segment,
    /// REES46's open data: CSV.
    Rees46,
    /// Rows of Google Analytics 4's BigQuery export, one in each line.
    Ga4,
    /// What was bought, when, by whom: CSV.
    Purchases,
    /// Kairos' own archive: a fact in each line.
    Archive,
}

impl Format {
    /// Every format with its name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("segment", Self::Segment),
        ("rees46", Self::Rees46),
        ("ga4", Self::Ga4),
        ("purchases", Self::Purchases),
        ("archive", Self::Archive),
    ];
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, format)| format == self).map_or("", |(name, _)| *name);
        formatter.write_str(name)
    }
}

/// What rows do not say themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults {
    /// The source that events come through.
    pub(crate) source: String,
    /// Names of sources by their write key.
    pub(crate) write_keys: HashMap<String, String>,
    /// The currency of amounts without one.
    pub(crate) currency: Option<Currency>,
}

/// The header of a table.
#[derive(Debug)]
pub(crate) struct Columns(Vec<String>);

impl Columns {
    fn of(line: &[u8]) -> Option<Self> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
        let header = reader.records().next()?.ok()?;
        Some(Self(header.iter().map(|name| name.trim().trim_start_matches('\u{feff}').to_owned()).collect()))
    }

    /// The first column with one of these names; case, spaces and underscores do not matter.
    pub(crate) fn find(&self, names: &[&str]) -> Option<usize> {
        let plain =
            |name: &str| name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect::<String>().to_lowercase();
        names.iter().find_map(|wanted| self.0.iter().position(|name| plain(name) == plain(wanted)))
    }

    fn shown(&self) -> String {
        shortened(&self.0.join(","), 200).to_owned()
    }
}

/// Reads the rows of one file.
#[derive(Debug)]
pub(crate) struct RowReader {
    kind: Kind,
    /// How many fields a row of a table has.
    fields: usize,
}

#[derive(Debug)]
enum Kind {
    Segment(Segment),
    Rees46(Rees46),
    Ga4,
    Purchases(Purchases),
    Archive,
}

impl RowReader {
    /// Recognises a file by its first line, and gives how much of it is the header. `None` when the line is blank.
    pub(crate) fn recognise(
        first_line: &[u8],
        format: Option<Format>,
        purchases: &PurchaseColumns,
    ) -> Result<(Self, usize), String> {
        let text = first_line.trim_ascii_start();
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let json = |kind| Ok((Self { kind, fields: 0 }, 0));
        match (format, text.first()) {
            (Some(Format::Segment), _) => json(Kind::Segment(Segment)),
            (Some(Format::Ga4), _) => json(Kind::Ga4),
            (Some(Format::Archive), _) => json(Kind::Archive),
            (None, Some(b'{')) => match json_format(text)? {
                Format::Ga4 => json(Kind::Ga4),
                Format::Archive => json(Kind::Archive),
                _ => json(Kind::Segment(Segment)),
            },
            (None, Some(b'[')) => {
                Err("it is one JSON array: write one object in each line, as with `jq -c '.[]'`".to_owned())
            }
            _ => Self::table(first_line, format, purchases),
        }
    }

    fn table(first_line: &[u8], format: Option<Format>, purchases: &PurchaseColumns) -> Result<(Self, usize), String> {
        const KNOWN: &str = "Known are Segment calls, GA4 export rows and Kairos' archive (a JSON object in each line), REES46 \
            (event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session) and \
            purchases (columns for customer, date, product, quantity and price)";
        let columns = Columns::of(first_line).ok_or_else(|| format!("its first line is no header. {KNOWN}"))?;
        let fields = columns.0.len();
        if format != Some(Format::Purchases)
            && let Some(rees46) = Rees46::of(&columns)
        {
            return Ok((Self { kind: Kind::Rees46(rees46), fields }, first_line.len()));
        }
        if format == Some(Format::Rees46) {
            return Err(format!("its columns are {}, which are not those of REES46. {KNOWN}", columns.shown()));
        }
        match Purchases::of(&columns, purchases) {
            Ok(purchases) => Ok((Self { kind: Kind::Purchases(purchases), fields }, first_line.len())),
            Err(missing) => Err(format!("{missing}; its columns are {}. {KNOWN}", columns.shown())),
        }
    }

    /// The format.
    pub(crate) fn format(&self) -> Format {
        match self.kind {
            Kind::Segment(_) => Format::Segment,
            Kind::Rees46(_) => Format::Rees46,
            Kind::Ga4 => Format::Ga4,
            Kind::Archive => Format::Archive,
            Kind::Purchases(_) => Format::Purchases,
        }
    }

    /// Whether a row may go over several lines, because line ends may stand in quotes.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.kind, Kind::Rees46(_) | Kind::Purchases(_))
    }

    /// Reads whole rows.
    pub(crate) fn read(&self, text: &[u8], defaults: &Defaults, rows: &mut Rows) {
        rows.lines = memchr::memchr_iter(b'\n', text).count() as u64;
        rows.inputs.reserve(rows.lines as usize + 1);
        match &self.kind {
            Kind::Segment(segment) => read_json(text, rows, |line, rows| segment.read(line, defaults, rows)),
            Kind::Ga4 => read_json(text, rows, |line, rows| ga4::read(line, defaults, rows)),
            Kind::Archive => read_json(text, rows, archive::read),
            Kind::Rees46(rees46) => rees46.read(text, self.fields, rows),
            Kind::Purchases(purchases) => purchases.read(text, self.fields, defaults, rows),
        }
    }
}

/// GA4 or Segment, by what a row calls its things.
fn json_format(first_line: &[u8]) -> Result<Format, String> {
    let Ok(Value::Object(row)) = serde_json::from_slice(first_line.trim_ascii_end()) else {
        return Err("its first line begins like a JSON object and is none: write one whole object in each line, as \
                    with `jq -c .`"
            .to_owned());
    };
    let has = |name: &str| row.contains_key(name);
    if has("event_name") && has("event_timestamp") {
        return Ok(Format::Ga4);
    }
    if has("fact") && has("revision") {
        return Ok(Format::Archive);
    }
    if ["batch", "type", "messageId", "userId", "anonymousId"].into_iter().any(has) {
        return Ok(Format::Segment);
    }
    Err("its rows are neither Segment calls (with \"type\", and \"userId\" or \"anonymousId\") nor rows of GA4's \
         BigQuery export (with \"event_name\" and \"event_timestamp\") nor of Kairos' archive (with \"fact\"): name the format with --format"
        .to_owned())
}

/// Reads one JSON object from each line.
fn read_json(text: &[u8], rows: &mut Rows, read: impl Fn(&[u8], &mut Rows) -> Result<(), String>) {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text).chain(std::iter::once(text.len()));
    for (line, end) in ends.enumerate() {
        let row = text[start..end].trim_ascii();
        start = end + 1;
        if row.is_empty() {
            continue;
        }
        if let Err(what) = read(row, rows) {
            rows.wrong(line as u64, what);
        }
        rows.row += 1;
    }
}

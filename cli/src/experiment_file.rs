//! A file that tells how an experiment stands: one line per variant (CSV or JSON), or one per user (CSV). Plain or gzip.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use flate2::read::MultiGzDecoder;
use kairos_engine::bounds::{EXPERIMENT_FILE_BYTES_MAX, EXPERIMENT_FILE_ROWS_MAX, EXPERIMENT_VARIANTS_MAX};
use kairos_engine::money::Micros;
use kairos_statistics::{Sample, SampleError};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The two bytes that every gzip file begins with (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Digits behind the point of an amount that is kept: millionths.
const AMOUNT_PLACES: i32 = 6;
/// Digits behind the point of a squared amount.
const SQUARE_PLACES: i32 = 2 * AMOUNT_PLACES;

/// Columns of a file with one line per variant. It needs the first three.
const VARIANT: &str = "variant";
const USERS: &str = "users";
const CONVERSIONS: &str = "conversions";
const REVENUE: &str = "revenue";
const REVENUE_SQUARES: &str = "revenue_squares";
const SHARE: &str = "share";

/// Names of columns of a file with one line per user.
#[derive(Clone, Debug)]
pub struct UserColumns {
    /// The variant that the user got.
    pub variant: String,
    /// Whether they converted: 1 or 0.
    pub converted: String,
    /// What they brought altogether; may be missing.
    pub value: String,
    /// Who they are; may be missing.
    pub user: String,
}

impl Default for UserColumns {
    fn default() -> Self {
        Self { variant: VARIANT.into(), converted: "converted".into(), value: "value".into(), user: "user".into() }
    }
}

/// What a file says of one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is called.
    pub name: String,
    /// Which share of the users it should get, when that is said.
    pub share: Option<f64>,
    /// Its users.
    pub sample: Sample,
}

/// Why a file is not understood. A row that is left out would bias what is said of the others, so each has to be right.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentFileError {
    /// The file ends too early, or the disk fails.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// JSON that is broken, or has other fields.
    #[error(
        "the file is read as JSON, and cannot be: {0}. A whole one is {{\"variants\": [{{\"name\": \"control\", \"users\": 1000, \"conversions\": 50, \"revenue\": 2100.5, \"revenue_squares\": 98000.25, \"share\": 50}}, …]}}"
    )]
    NotJson(serde_json::Error),
    /// A table that is broken.
    #[error("the file is read as CSV, and cannot be: {0}")]
    NotCsv(csv::Error),
    /// Neither the columns of one form nor those of the other.
    #[error(
        "the first line names {found}. One line per variant has the columns variant, users, conversions, and revenue, \
         revenue_squares and share where they are known; one line per user has variant, converted, and value and user \
         where they are known (other names: --variant-column, --converted-column, --value-column, --user-column)"
    )]
    Columns {
        /// What it names.
        found: String,
    },
    /// A line that is wrong.
    #[error("line {line}: {why}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong, and what to write.
        why: String,
    },
    /// A variant of a JSON file that is wrong.
    #[error("variant `{name}`: {why}")]
    Variant {
        /// Which.
        name: String,
        /// What is wrong, and what to write.
        why: String,
    },
    /// More than is read.
    #[error(
        "the file is too long: at most {EXPERIMENT_FILE_ROWS_MAX} lines, or {EXPERIMENT_FILE_BYTES_MAX} bytes of JSON"
    )]
    TooLong,
    /// Nothing in it.
    #[error("the file has no variants")]
    Empty,
}

/// A file of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonFile<'a> {
    #[serde(borrow)]
    variants: Vec<JsonVariant<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonVariant<'a> {
    name: String,
    users: u64,
    conversions: u64,
    /// As text, so that no digit is lost.
    #[serde(borrow)]
    revenue: Option<&'a RawValue>,
    #[serde(borrow)]
    revenue_squares: Option<&'a RawValue>,
    share: Option<f64>,
}

/// Reads a file, plain or gzip.
///
/// # Errors
/// When it is in none of the forms, or a line is wrong.
pub fn read<'a>(input: impl Read + 'a, columns: &UserColumns) -> Result<Vec<Row>, ExperimentFileError> {
    let mut input = BufReader::new(input);
    let is_packed = input.fill_buf()?.starts_with(&GZIP_MAGIC);
    let mut input: Box<dyn BufRead + 'a> =
        if is_packed { Box::new(BufReader::new(MultiGzDecoder::new(input))) } else { Box::new(input) };
    let first = input.fill_buf()?;
    if first.starts_with("\u{feff}".as_bytes()) {
        input.consume("\u{feff}".len());
    }
    let first = input.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace());
    let rows = if first == Some(&b'{') { json(input)? } else { table(input, columns)? };
    if rows.is_empty() { Err(ExperimentFileError::Empty) } else { Ok(rows) }
}

fn json(input: impl Read) -> Result<Vec<Row>, ExperimentFileError> {
    let mut text = String::new();
    input.take(EXPERIMENT_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > EXPERIMENT_FILE_BYTES_MAX {
        return Err(ExperimentFileError::TooLong);
    }
    let file: JsonFile<'_> = serde_json::from_str(&text).map_err(ExperimentFileError::NotJson)?;
    let row = |variant: JsonVariant<'_>| {
        let sums = Sums { revenue: amount_of(variant.revenue), squares: amount_of(variant.revenue_squares) };
        match sums.sample(variant.users, variant.conversions) {
            Ok(sample) => Ok(Row { name: variant.name, share: variant.share, sample }),
            Err(why) => Err(ExperimentFileError::Variant { name: variant.name, why }),
        }
    };
    file.variants.into_iter().map(row).collect()
}

/// A number as it is written, in quotes or not.
fn amount_of(value: Option<&RawValue>) -> &str {
    value.map_or("", |value| value.get().trim_matches('"'))
}

fn table(mut input: Box<dyn BufRead + '_>, columns: &UserColumns) -> Result<Vec<Row>, ExperimentFileError> {
    let header = input.fill_buf()?.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = [b';', b'\t'].into_iter().find(|delimiter| header.contains(delimiter)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(input);
    let names = reader.headers().map_err(ExperimentFileError::NotCsv)?.clone();
    let column = |name: &str| names.iter().position(|column| column.eq_ignore_ascii_case(name));
    let of_user = (column(&columns.variant), column(&columns.converted));
    if let (Some(variant), Some(users), Some(conversions)) = (column(VARIANT), column(USERS), column(CONVERSIONS)) {
        let places =
            [Some(variant), Some(users), Some(conversions), column(REVENUE), column(REVENUE_SQUARES), column(SHARE)];
        return by_variant(reader, places);
    }
    if let (Some(variant), Some(converted)) = of_user {
        return by_user(reader, [Some(variant), Some(converted), column(&columns.value), column(&columns.user)]);
    }
    let found: Vec<&str> = names.iter().filter(|name| !name.is_empty()).collect();
    let found = if found.is_empty() { "no columns".to_owned() } else { found.join(", ") };
    Err(ExperimentFileError::Columns { found })
}

/// One line per variant.
fn by_variant(
    mut reader: csv::Reader<Box<dyn BufRead + '_>>,
    places: [Option<usize>; 6],
) -> Result<Vec<Row>, ExperimentFileError> {
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(ExperimentFileError::NotCsv)? {
        let wrong = |why: String| ExperimentFileError::Line { line: line_of(&record), why };
        let [name, users, conversions, revenue, squares, share] =
            places.map(|place| place.and_then(|place| record.get(place)).unwrap_or_default());
        let count = |name: &str, text: &str| {
            text.parse::<u64>().map_err(|_| wrong(format!("`{text}` in column {name} is no whole number")))
        };
        let share = match share {
            "" => None,
            share => {
                let number = share.trim_end_matches('%').trim_end().parse::<f64>();
                Some(number.map_err(|_| wrong(format!("`{share}` is no share: write a number, as in 50")))?)
            }
        };
        let sums = Sums { revenue, squares };
        let sample = sums.sample(count(USERS, users)?, count(CONVERSIONS, conversions)?).map_err(wrong)?;
        rows.push(Row { name: name.to_owned(), share, sample });
        if rows.len() > EXPERIMENT_VARIANTS_MAX {
            let why = format!("there are more than {EXPERIMENT_VARIANTS_MAX} variants");
            return Err(ExperimentFileError::Line { line: line_of(&record), why });
        }
    }
    Ok(rows)
}

/// One line per user.
fn by_user(
    mut reader: csv::Reader<Box<dyn BufRead + '_>>,
    places: [Option<usize>; 4],
) -> Result<Vec<Row>, ExperimentFileError> {
    let mut rows: Vec<Row> = Vec::new();
    let mut known: HashSet<Box<str>> = HashSet::new();
    let mut record = csv::StringRecord::new();
    let mut count = 0;
    while reader.read_record(&mut record).map_err(ExperimentFileError::NotCsv)? {
        count += 1;
        if count > EXPERIMENT_FILE_ROWS_MAX {
            return Err(ExperimentFileError::TooLong);
        }
        let wrong = |why: String| ExperimentFileError::Line { line: line_of(&record), why };
        let [variant, converted, value, user] =
            places.map(|place| place.and_then(|place| record.get(place)).unwrap_or_default());
        if places[3].is_some() && !known.insert(user.into()) {
            let why = "this user has a line already: write one line per user, with the sum of all they brought";
            return Err(wrong(why.to_owned()));
        }
        let converted = match converted.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => true,
            "0" | "false" | "no" => false,
            _ => return Err(wrong(format!("`{converted}` does not say whether the user converted: write 1 or 0"))),
        };
        let value = match value {
            "" => 0,
            value => {
                let micros = decimal(value, AMOUNT_PLACES).and_then(|micros| i64::try_from(micros).ok());
                micros.ok_or_else(|| wrong(format!("`{value}` is no amount: write a number, as in 35.79")))?
            }
        };
        let sample = Sample::of_user(converted, Micros::new(value));
        match rows.iter().position(|row| row.name == variant) {
            Some(row) => {
                rows[row].sample = rows[row].sample.merge(sample).map_err(|error| wrong(error.to_string()))?;
            }
            None if variant.is_empty() => return Err(wrong("it names no variant".to_owned())),
            None if rows.len() == EXPERIMENT_VARIANTS_MAX => {
                let why = format!(
                    "`{variant}` is one more than {EXPERIMENT_VARIANTS_MAX} variants: is this the right column?"
                );
                return Err(wrong(why));
            }
            None => rows.push(Row { name: variant.to_owned(), share: None, sample }),
        }
    }
    Ok(rows)
}

fn line_of(record: &csv::StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

/// Sums as they are written.
struct Sums<'a> {
    revenue: &'a str,
    squares: &'a str,
}

impl Sums<'_> {
    fn sample(&self, users: u64, converted: u64) -> Result<Sample, String> {
        let number = |name: &str, text: &str, places: i32| match text {
            "" | "null" => Ok(None),
            text => {
                decimal(text, places).map(Some).ok_or_else(|| format!("`{text}` in {name} is no number, or too large"))
            }
        };
        let revenue = number(REVENUE, self.revenue, AMOUNT_PLACES)?;
        let squares = number(REVENUE_SQUARES, self.squares, SQUARE_PLACES)?;
        let sample = match (revenue, squares) {
            (None, None) => Sample::of_counts(users, converted),
            (Some(0), None) => Sample::of_counts(users, converted),
            (Some(_), None) => {
                return Err(format!(
                    "with {REVENUE} there has to be {REVENUE_SQUARES}, the sum of the squares of what each user spent: \
                     without it nobody knows how much users differ"
                ));
            }
            (None, Some(_)) => return Err(format!("with {REVENUE_SQUARES} there has to be {REVENUE}, the sum itself")),
            (Some(revenue), Some(squares)) => match u128::try_from(squares) {
                Ok(squares) => Sample::new(users, converted, revenue, squares),
                Err(_) => Err(SampleError::ImpossibleSums { users }),
            },
        };
        sample.map_err(|error| error.to_string())
    }
}

/// A decimal number as a whole number of so many places behind the point: exact, and rounded where there are more digits,
/// as in what databases write of floats. `None` when it is no number, or too large.
fn decimal(text: &str, places: i32) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, mantissa) = match mantissa.strip_prefix(['-', '+']) {
        Some(rest) => (mantissa.starts_with('-'), rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let digits = whole.bytes().chain(fraction.bytes());
    // How many digits are kept: those before the point, moved by the exponent and the places.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(places);
    let (mut number, mut index) = (0_i128, 0_i64);
    for digit in digits {
        let value = char::from(digit).to_digit(10)?;
        if index < kept {
            number = number.checked_mul(10)?.checked_add(value.into())?;
        } else if index == kept && value >= 5 {
            number = number.checked_add(1)?;
        }
        index += 1;
    }
    while index < kept && number != 0 {
        number = number.checked_mul(10)?;
        index += 1;
    }
    Some(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn rows(text: &str) -> Result<Vec<Row>, String> {
        read(text.as_bytes(), &UserColumns::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_three_forms_of_a_file_say_the_same() {
        let by_variant = "variant;users;conversions;revenue;revenue_squares\na;3;2;30.5;500.25\nb;2;0;;\n";
        let by_user = "\u{feff}user,Variant,converted,value\n1,a,1,20\n2,a,yes,10.50\n3,a,0,0\n4,b,0,\n5,b,false,0\n";
        let json = r#" {"variants": [
            {"name": "a", "users": 3, "conversions": 2, "revenue": 30.5, "revenue_squares": "510.25"},
            {"name": "b", "users": 2, "conversions": 0}
        ]}"#;
        let by_user = rows(by_user).unwrap();
        assert_eq!(rows(json).unwrap(), by_user);
        assert_eq!(rows(&by_variant.replace("500.25", "510.25")).unwrap(), by_user);
        assert!(rows(by_variant).is_ok(), "other sums, which somebody may have");
        let [a, b] = &by_user[..] else { panic!("{by_user:?}") };
        assert_eq!((a.sample.users(), a.sample.converted(), a.sample.value_sum()), (3, 2, 30_500_000));
        assert_eq!((a.sample.value_squares(), b.sample.users()), (510_250_000_000_000, 2));
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(json.as_bytes()).unwrap();
        assert_eq!(read(packed.finish().unwrap().as_slice(), &UserColumns::default()).unwrap(), by_user);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_to_write() {
        for (text, says) in [
            ("", "names no columns"),
            ("a,b\n1,2\n", "the first line names a, b. One line per variant has"),
            ("variant,users,conversions\n", "no variants"),
            ("variant,users,conversions\na,ten,1\n", "line 2: `ten` in column users"),
            ("variant,users,conversions\na,10,-1\n", "line 2: `-1` in column conversions"),
            ("variant,users,conversions\na,10,11\n", "line 2: 11 users converted, of 10"),
            ("variant,users,conversions,revenue\na,10,1,5\n", "line 2: with revenue there has to be revenue_squares"),
            ("variant,users,conversions,revenue_squares\na,10,1,5\n", "with revenue_squares there has to be revenue"),
            ("variant,users,conversions,revenue,revenue_squares\na,10,1,100,5\n", "no 10 values have this sum"),
            ("variant,users,conversions,revenue,revenue_squares\na,10,1,1,-5\n", "no 10 values have this sum"),
            ("variant,users,conversions,revenue,revenue_squares\na,10,1,x,5\n", "`x` in revenue is no number"),
            ("variant,users,conversions,share\na,10,1,half\n", "`half` is no share"),
            ("variant,users,conversions\na,10\n", "cannot be"),
            ("variant,converted\na,1\nb,maybe\n", "line 3: `maybe` does not say"),
            ("variant,converted\na,1\n,0\n", "line 3: it names no variant"),
            ("variant,converted,value\na,1,9e99\n", "line 2: `9e99` is no amount"),
            ("variant,converted,value\na,1,12:30\n", "line 2: `12:30` is no amount"),
            ("user,variant,converted\n1,a,1\n1,b,0\n", "line 3: this user has a line already"),
            ("{\"variants\": [{\"name\": \"a\"}]}", "missing field `users`"),
            ("{\"variants\": [], \"x\": 1}", "unknown field `x`"),
            ("{\"variants\": []}", "no variants"),
            (
                "{\"variants\": [{\"name\": \"a\", \"users\": 1, \"conversions\": 2}]}",
                "variant `a`: 2 users converted, of 1",
            ),
            (
                "{\"variants\": [{\"name\": \"a\", \"users\": 1, \"conversions\": 1, \"revenue\": [1], \"revenue_squares\": 1}]}",
                "`[1]` in revenue",
            ),
        ] {
            let error = rows(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        let many: String = (0..21).map(|index| format!("{index},1\n")).collect();
        let error = rows(&format!("variant,converted\n{many}")).unwrap_err();
        assert!(error.contains("line 22: `20` is one more than 20 variants"), "{error}");
    }

    #[test]
    fn decimals_are_read_to_the_last_digit() {
        for (text, places, number) in [
            ("35.79", 6, Some(35_790_000)),
            ("-0.5", 6, Some(-500_000)),
            ("+1.", 0, Some(1)),
            (".5", 1, Some(5)),
            ("1.23e3", 2, Some(123_000)),
            ("12E-1", 2, Some(120)),
            ("0.0000005", 6, Some(1)),
            ("0.00000049", 6, Some(0)),
            ("1234.5600000000001", 6, Some(1_234_560_000)),
            ("99999999999999999999999999", 12, Some(99_999_999_999_999_999_999_999_999 * 10_i128.pow(12))),
            ("0e999999999", 6, Some(0)),
            ("1e-999999999", 6, Some(0)),
            ("1e30", 12, None),
            ("", 6, None),
            (".", 6, None),
            ("-", 6, None),
            ("1,5", 6, None),
            ("0x10", 6, None),
            ("NaN", 6, None),
            ("1e", 6, None),
            ("١", 6, None),
        ] {
            assert_eq!(decimal(text, places), number, "{text}");
        }
    }
}

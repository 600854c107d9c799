//! Recordings in the format of REES46's open data ("eCommerce behavior data from multi category
//! store"): CSV with `event_time, event_type, product_id, category_id, category_code, brand, price,
//! user_id, user_session`, plain or gzip.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use kairos_backtest::rees46::{Clock, Columns};
use kairos_engine::bounds::{ID_BYTES_MAX, RECORDING_EVENTS_MAX};
use kairos_engine::event_name::EventName;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

use crate::calls::{Call, Caller};

/// The last event of a replay lies this far in the past: a little more than the half hour after which
/// a cart counts as abandoned, so that every cart left in the recording is decided at once.
pub const LAST_EVENT_AGO: Span = Span::from_mins(31);

/// Since when the people of a recording are customers: long before any play that greets new ones.
const CUSTOMERS_SINCE: &str = "2018-01-01T00:00:00.000Z";

/// Problems of a file that are listed one by one.
const PROBLEMS_SHOWN_MAX: usize = 10;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("the recording cannot be read: {0}")]
    Unreadable(String),
    /// It is not in the format.
    #[error(
        "the recording has no column {missing}: REES46 files start with \
         event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
    )]
    Columns {
        /// Which.
        missing: String,
    },
    /// Lines of it are wrong. Nothing is sent of a recording that is only partly understood.
    #[error("{}", listed(.first, *.count))]
    Lines {
        /// The first of them.
        first: Vec<LineProblem>,
        /// How many there are.
        count: usize,
    },
    /// More events than are held in memory at once.
    #[error("the recording has more than {RECORDING_EVENTS_MAX} events: cut it into several files, by user")]
    TooLong,
    /// Nothing in it.
    #[error("the recording has no events")]
    Empty,
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineProblem {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What is wrong and what is expected.
    pub what: String,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.what)
    }
}

fn listed(first: &[LineProblem], count: usize) -> String {
    let mut text = format!("{count} lines of the recording are wrong, so none of it is sent:");
    for problem in first {
        text.push_str(&format!("\n  {problem}"));
    }
    if count > first.len() {
        text.push_str(&format!("\n  … and {} more", count - first.len()));
    }
    text
}

/// A recording: what each person did, in the order of time, people in the order of their first event.
#[derive(Debug)]
pub struct Recording {
    people: Vec<Person>,
    events: usize,
    last_at: Timestamp,
}

#[derive(Debug)]
struct Person {
    user_id: String,
    events: Vec<Recorded>,
}

#[derive(Debug)]
struct Recorded {
    at: Timestamp,
    event: EventName,
    message_id: String,
    properties: Map<String, Value>,
}

impl Recording {
    /// Reads a recording, plain or gzip.
    ///
    /// # Errors
    /// When it cannot be read or any line is wrong; the error lists the first of them.
    pub fn read(input: impl Read) -> Result<Self, RecordingError> {
        let unreadable = |error: std::io::Error| RecordingError::Unreadable(error.to_string());
        let mut input = BufReader::new(input);
        if input.fill_buf().map_err(unreadable)?.starts_with(&GZIP_MAGIC) {
            Self::read_csv(MultiGzDecoder::new(input))
        } else {
            Self::read_csv(input)
        }
    }

    fn read_csv(input: impl Read) -> Result<Self, RecordingError> {
        let mut reader = csv::Reader::from_reader(input);
        let headers = reader.headers().map_err(|error| RecordingError::Unreadable(error.to_string()))?;
        let place = |name: &str| headers.iter().position(|header| header.trim().trim_start_matches('\u{feff}') == name);
        let columns = Columns::of(place).map_err(|missing| RecordingError::Columns { missing: missing.to_owned() })?;
        let mut people: Vec<Person> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut occurrences: HashMap<String, u32> = HashMap::new();
        let mut clock = Clock::default();
        let (mut first, mut wrong, mut events) = (Vec::new(), 0, 0);
        for row in reader.records() {
            let read = match row {
                Ok(row) => recorded(&columns, &row, &mut occurrences, &mut clock)
                    .map_err(|what| (row.position().map_or(0, csv::Position::line), what)),
                Err(error) => match error.kind() {
                    csv::ErrorKind::Io(error) => return Err(RecordingError::Unreadable(error.to_string())),
                    _ => Err((error.position().map_or(0, csv::Position::line), csv_problem(&error))),
                },
            };
            match read {
                Ok((user_id, recorded)) => {
                    let place = *places.entry(user_id.clone()).or_insert_with(|| {
                        people.push(Person { user_id, events: Vec::new() });
                        people.len() - 1
                    });
                    people[place].events.push(recorded);
                }
                Err((line, what)) => {
                    wrong += 1;
                    if first.len() < PROBLEMS_SHOWN_MAX {
                        first.push(LineProblem { line, what });
                    }
                }
            }
            events += 1;
            if events > RECORDING_EVENTS_MAX {
                return Err(RecordingError::TooLong);
            }
        }
        if wrong > 0 {
            return Err(RecordingError::Lines { first, count: wrong });
        }
        for person in &mut people {
            person.events.sort_by_key(|event| event.at);
        }
        let last_at = people.iter().filter_map(|person| Some(person.events.last()?.at)).max();
        last_at.map(|last_at| Self { people, events, last_at }).ok_or(RecordingError::Empty)
    }

    /// How many events it has.
    pub fn events(&self) -> usize {
        self.events
    }

    /// How many people.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// The user ids of the people who put something into a cart.
    pub fn people_with_cart(&self) -> impl Iterator<Item = &str> {
        let has_cart = |person: &&Person| person.events.iter().any(|event| event.event == EventName::ProductAdded);
        self.people.iter().filter(has_cart).map(|person| person.user_id.as_str())
    }

    /// The calls of a server-side client, person by person, with times shifted so that the last event
    /// was [`LAST_EVENT_AGO`] before `now`. Each person first says who they are: a customer of long
    /// standing with a test address. The message ids depend on the recording alone.
    pub fn calls(&self, now: Timestamp) -> Vec<Vec<Call>> {
        let shift = now.minus(LAST_EVENT_AGO).since(self.last_at);
        let context = json!({ "library": { "name": "kairos-replay", "version": env!("CARGO_PKG_VERSION") } });
        self.people.iter().map(|person| person.calls(shift, &context)).collect()
    }
}

impl Person {
    fn calls(&self, shift: Span, context: &Value) -> Vec<Call> {
        let caller = Caller { user_id: Some(&self.user_id), anonymous_id: None, context };
        let first_at = self.events.first().map_or(Timestamp::default(), |event| event.at);
        let traits = json!({ "email": test_address(&self.user_id), "createdAt": CUSTOMERS_SINCE });
        let identify = Call::identify(caller, format!("{}:identify", self.user_id), first_at.plus(shift), traits);
        let tracks = self.events.iter().map(|event| event.call(caller, shift));
        std::iter::once(identify).chain(tracks).collect()
    }
}

impl Recorded {
    fn call(&self, caller: Caller<'_>, shift: Span) -> Call {
        let properties = Value::Object(self.properties.clone());
        Call::track(caller, self.message_id.clone(), self.at.plus(shift), self.event.as_str(), properties)
    }
}

/// The user of a line and what they did. Equal lines are told apart by how often they have occurred.
fn recorded(
    columns: &Columns,
    row: &csv::StringRecord,
    occurrences: &mut HashMap<String, u32>,
    clock: &mut Clock,
) -> Result<(String, Recorded), String> {
    // Five of them with separators make a message id.
    let row = columns.read(|column| row.get(column), ID_BYTES_MAX / 5, clock)?;
    let line = format!("{}:{}:{}:{}:{}", row.user_id, row.at.as_secs(), row.kind, row.product_id, row.session);
    let occurrence = occurrences.entry(line.clone()).or_default();
    *occurrence += 1;
    let message_id = format!("{line}:{occurrence}");
    let properties = row.properties(&message_id, None);
    Ok((row.user_id.to_owned(), Recorded { at: row.at, event: row.event(), message_id, properties }))
}

/// An address that belongs to nobody (RFC 2606).
fn test_address(user_id: &str) -> String {
    let plain: String = user_id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(50).collect();
    format!("user-{plain}@shop.example")
}

fn csv_problem(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields and must have {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const HEADER: &str =
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n";

    fn read(lines: &str) -> Result<Recording, RecordingError> {
        Recording::read(format!("{HEADER}{lines}").as_bytes())
    }

    const TWO_PEOPLE: &str = "\
2019-10-01 00:10:00 UTC,cart,7,1,appliances.kitchen.coffee_machine,acme,35.79,ann,s1
2019-10-01 00:00:00 UTC,view,7,1,appliances.kitchen.coffee_machine,acme,35.79,ann,s1
2019-10-01 00:05:00 UTC,view,8,1,,,0.00,bob,s2
2019-10-01 00:20:00 UTC,purchase,8,1,,,12.50,bob,s2
2019-10-01 00:05:00 UTC,view,8,1,,,0.00,bob,s2
";

    #[test]
    fn each_person_says_who_they_are_and_then_what_they_did_in_order() {
        let now = Timestamp::parse("2026-05-05T12:00:00Z").unwrap();
        let people = read(TWO_PEOPLE).unwrap().calls(now);
        let shown: Vec<String> = people
            .iter()
            .flatten()
            .map(|call| {
                let json = call.to_json();
                let what = json["event"].as_str().unwrap_or("identify").to_owned();
                format!("{} {} {what}", json["userId"].as_str().unwrap(), &json["timestamp"].as_str().unwrap()[11..19])
            })
            .collect();
        assert_eq!(
            shown,
            [
                "ann 11:09:00 identify",
                "ann 11:09:00 Product Viewed",
                "ann 11:19:00 Product Added",
                "bob 11:14:00 identify",
                "bob 11:14:00 Product Viewed",
                "bob 11:14:00 Product Viewed",
                "bob 11:29:00 Order Completed",
            ]
        );
        let identify = people[0][0].to_json();
        assert_eq!(identify["traits"]["email"], "user-ann@shop.example");
        let added = people[0][2].to_json();
        assert_eq!(added["properties"]["name"], "acme coffee machine");
        assert_eq!(added["properties"]["price"], 35.79);
        let order = people[1][3].to_json();
        assert_eq!(order["properties"]["products"][0]["product_id"], "8");
        assert_eq!(people[1][1].to_json()["properties"].get("price"), None, "zero is no price");
    }

    #[test]
    fn message_ids_are_of_the_recording_and_equal_lines_are_two_events() {
        let ids = |now: i64| {
            let people = read(TWO_PEOPLE).unwrap().calls(Timestamp::from_millis(now));
            people.iter().flatten().map(|call| call.message_id().to_owned()).collect::<Vec<_>>()
        };
        let first = ids(1_800_000_000_000);
        assert_eq!(first, ids(1_900_000_000_000));
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), first.len());
    }

    #[test]
    fn a_compressed_recording_is_the_same_recording() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(format!("{HEADER}{TWO_PEOPLE}").as_bytes()).unwrap();
        let recording = Recording::read(packed.finish().unwrap().as_slice()).unwrap();
        assert_eq!((recording.events(), recording.people(), recording.people_with_cart().count()), (5, 2, 1));
    }

    #[test]
    fn what_is_wrong_is_said_line_by_line() {
        let error = read(
            "yesterday,view,7,1,,,1,ann,s\n\
             2019-10-01 00:00:00 UTC,stare,7,1,,,1,ann,s\n\
             2019-10-01 00:00:00 UTC,view,7,1,,,cheap,ann,s\n\
             2019-10-01 00:00:00 UTC,view,7,1,,,1,,s\n\
             2019-10-01 00:00:00 UTC,view,7\n\
             2019-10-01 00:00:00 UTC,view,7,1,,,1,ann,s\n",
        )
        .unwrap_err()
        .to_string();
        for said in [
            "5 lines of the recording are wrong, so none of it is sent",
            "line 2: event_time is \"yesterday\" and must be like 2019-10-01 00:00:00 UTC",
            "line 3: event_type is \"stare\" and must be one of view, cart, remove_from_cart, purchase",
            "line 4: price is \"cheap\" and must be a number",
            "line 5: user_id is empty",
            "line 6: it has 3 fields and must have 9",
        ] {
            assert!(error.contains(said), "{said:?} is not in {error}");
        }
    }

    #[test]
    fn another_format_is_recognised_as_such() {
        let error = Recording::read("user_id,item_id\n1,2\n".as_bytes()).unwrap_err().to_string();
        assert!(error.contains("no column event_time"), "{error}");
        assert!(matches!(read("").unwrap_err(), RecordingError::Empty));
        assert!(matches!(Recording::read(&[0x1f, 0x8b, 0][..]).unwrap_err(), RecordingError::Unreadable(_)));
    }
}

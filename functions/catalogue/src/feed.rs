//! A feed as rows: a JSON list, JSON lines, or CSV with a header. Told by how it begins, since clients say all sorts
//! of things in `Content-Type`.

use std::collections::BTreeMap;

use kairos_engine::bounds::CATALOGUE_ROWS_MAX;
use kairos_engine::playbook::Place;
use kairos_protocol::catalogue::Listing;
use serde_json::{Map, Value};

use crate::request::RequestRefusal;
use crate::row::{Noticed, RowRefusal, listing};

/// A feed, read as far as it can be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feed {
    /// What is to be taken, each of another product, with its row from 1.
    pub listings: Vec<(usize, Listing)>,
    /// What is wrong, with its row.
    pub refused: Vec<(usize, RowRefusal)>,
    /// What was noticed on the way.
    pub noticed: Noticed,
}

type Row = Result<Map<String, Value>, RowRefusal>;

/// Reads a feed.
///
/// # Errors
/// When it cannot be told apart into rows, or there are too many of them.
pub fn read(text: &str, places: &[Place]) -> Result<Feed, RequestRefusal> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    let rows = match text.chars().next() {
        Some('[') => list(text)?,
        Some('{') => lines(text),
        _ => table(text)?,
    };
    if rows.len() > CATALOGUE_ROWS_MAX {
        return Err(RequestRefusal::TooManyRows(rows.len()));
    }
    let mut feed = Feed::default();
    let mut told_in: BTreeMap<String, usize> = BTreeMap::new();
    for (number, row) in (1..).zip(rows) {
        let listing = row.and_then(|fields| listing(fields, places, &mut feed.noticed));
        let listing = listing.and_then(|listing| match told_in.get(listing.product.id.as_str()) {
            Some(earlier) => Err(RowRefusal::Twice(*earlier)),
            None => Ok(listing),
        });
        match listing {
            Ok(listing) => {
                told_in.insert(listing.product.id.to_string(), number);
                feed.listings.push((number, listing));
            }
            Err(refusal) => feed.refused.push((number, refusal)),
        }
    }
    Ok(feed)
}

fn object(value: Value) -> Row {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(RowRefusal::NotObject),
    }
}

fn list(text: &str) -> Result<Vec<Row>, RequestRefusal> {
    let list: Vec<Value> =
        serde_json::from_str(text).map_err(|error| RequestRefusal::BodyNotJson(error.to_string()))?;
    Ok(list.into_iter().map(object).collect())
}

fn lines(text: &str) -> Vec<Row> {
    // One product, perhaps over several lines.
    if let Ok(value) = serde_json::from_str(text) {
        return vec![object(value)];
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let read = |line| serde_json::from_str(line).map_err(|error| RowRefusal::NotJson(error.to_string()));
    lines.map(|line| read(line).and_then(object)).collect()
}

fn table(text: &str) -> Result<Vec<Row>, RequestRefusal> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let unreadable = |error: &dyn std::fmt::Display| RequestRefusal::HeaderUnreadable(error.to_string());
    let columns = reader.headers().map_err(|error| unreadable(&error))?.clone();
    if !columns.iter().any(|column| crate::row::ID.contains(&column)) {
        let columns: Vec<_> = columns.iter().collect();
        return Err(unreadable(&format_args!("it says {}", columns.join(", "))));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        rows.push(match record {
            Ok(record) => {
                let cells = columns.iter().zip(&record);
                Ok(cells.map(|(column, cell)| (column.to_owned(), Value::String(cell.to_owned()))).collect())
            }
            Err(error) => Err(RowRefusal::NotCsv(error.to_string())),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(text: &str) -> (Vec<String>, Vec<(usize, &'static str)>) {
        let feed = read(text, &[]).unwrap();
        let refused = feed.refused.iter().map(|(row, refusal)| (*row, refusal.code())).collect();
        (feed.listings.into_iter().map(|(row, listing)| format!("{row}:{}", listing.product.id)).collect(), refused)
    }

    #[test]
    fn a_feed_is_a_list_or_lines_or_a_table() {
        let both = (vec!["1:mug".to_owned(), "2:tea".to_owned()], Vec::new());
        for text in [
            r#"[{"id": "mug", "stock": 1}, {"id": "tea"}]"#,
            "\u{feff}{\"id\": \"mug\"}\n\n{\"id\": \"tea\"}\r\n",
            "id,name,stock\nmug,\"Mug, blue\",3\ntea,,\n",
            "name, sku\nMug, mug\nTea, tea",
        ] {
            assert_eq!(ids(text), both, "{text}");
        }
        assert_eq!(ids("{\n  \"id\": \"mug\"\n}"), (vec!["1:mug".into()], Vec::new()));
        assert_eq!(ids("[]"), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_wrong_row_does_not_cost_its_neighbours() {
        let expected = vec!["1:mug".to_owned(), "3:tea".to_owned()];
        for (text, code) in [
            (r#"[{"id": "mug"}, 5, {"id": "tea"}]"#, "row_not_object"),
            (r#"[{"id": "mug"}, {"name": "x"}, {"id": "tea"}]"#, "id_missing"),
            (r#"[{"id": "mug"}, {"id": "mug"}, {"id": "tea"}]"#, "product_twice"),
            ("{\"id\": \"mug\"}\n{\"id\":\n{\"id\": \"tea\"}", "row_not_json"),
            ("id,price\nmug,1\nx,1,2\ntea,3", "row_not_csv"),
            ("id,price\nmug,1\nx,much\ntea,3", "price_unreadable"),
        ] {
            assert_eq!(ids(text), (expected.clone(), vec![(2, code)]), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_it_panic(parts in prop::collection::vec(prop::sample::select(vec![
            "[", "]", "{", "}", "\"", ":", ",", "\n", "\r", "id", "price", "stock", "stock.", "currency", "1", "-1", "1e400",
            "null", "true", " ", "\u{feff}", "é", "\u{0}", "{\"id\":1}", "{\"id\":2,\"stock\":{\"x\":1}}", "id,stock.x\n1,2\n",
        ]), 0..40)) {
            if let Ok(feed) = read(&parts.concat(), &[]) {
                let rows: std::collections::BTreeSet<usize> = feed.listings.iter().map(|(row, _)| *row)
                    .chain(feed.refused.iter().map(|(row, _)| *row)).collect();
                prop_assert_eq!(rows.len(), feed.listings.len() + feed.refused.len(), "every row has one outcome");
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = read(&text, &[]);
        }
    }

    #[test]
    fn what_falls_into_no_rows_is_refused_whole() {
        let code = |text: &str| read(text, &[]).unwrap_err().code();
        assert_eq!(code("[{\"id\": 1},"), "body_not_json");
        assert_eq!(code("hello"), "header_unreadable");
        assert_eq!(code("name,price\nMug,3"), "header_unreadable");
        let long = format!("id\n{}", "1\n".repeat(CATALOGUE_ROWS_MAX + 1));
        assert_eq!(code(&long), "too_many_rows");
    }
}

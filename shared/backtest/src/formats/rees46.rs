//! REES46's open data, as events.

use std::sync::{Arc, OnceLock};

use kairos_engine::bounds::ID_BYTES_MAX;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::time::Timestamp;
use serde_json::Map;

use super::rows::{Recorded, Rows, read_csv};
use super::{Columns, Defaults};
use crate::rees46::{self, Clock, Known, Row, Shape};

/// Reads its rows.
#[derive(Debug)]
pub(crate) struct Rees46(rees46::Columns);

impl Rees46 {
    /// By the header; `None` when it is another table.
    pub(crate) fn of(columns: &Columns) -> Option<Self> {
        rees46::Columns::of(|name| columns.find(&[name])).ok().map(Self)
    }

    pub(crate) fn read(&self, text: &[u8], fields: usize, rows: &mut Rows) {
        let mut clock = Clock::default();
        let texts = Arc::new(OnceLock::new());
        // Half of a row are its time, its visit and numbers.
        let mut kept = String::with_capacity(text.len() / 2);
        read_csv(text, fields, rows, |row, rows| {
            let row = self.0.read(|column| row.get(column).copied(), ID_BYTES_MAX, &mut clock)?;
            rows.check_time(row.at)?;
            rows.events += 1;
            let id = rows.event_id();
            let what = KeptRow::of(&row, id, &mut kept, Arc::clone(&texts));
            rows.keep(UserKey::known(row.user_id), row.at, Recorded::Rees46(what), true);
            Ok(())
        });
        texts.set(kept).expect("the texts of a piece are kept once");
    }
}

/// A row until its turn comes. It takes a tenth of the memory of the event that it is, and whoever applies that makes
/// it while it is at hand.
#[derive(Debug)]
pub(crate) struct KeptRow {
    id: InputId,
    at: Timestamp,
    known: &'static Known,
    price: Option<f64>,
    /// The texts of all rows that were read together, one behind the other.
    texts: Arc<OnceLock<String>>,
    /// Where this row's begin.
    start: u32,
    /// And how long they are: ids and texts are bounded.
    lengths: [u16; 5],
}

impl KeptRow {
    fn of(row: &Row<'_>, id: InputId, kept: &mut String, texts: Arc<OnceLock<String>>) -> Self {
        let start = kept.len() as u32;
        // The visit is part of orders alone.
        let session = if row.is_order() { row.session } else { "" };
        let lengths = [row.user_id, row.product_id, row.category, row.brand, session].map(|text| {
            kept.push_str(text);
            text.len() as u16
        });
        Self { id, at: row.at, known: row.known, price: row.price, texts, start, lengths }
    }

    fn row(&self) -> Row<'_> {
        let mut rest = &self.texts.get().expect("rows are applied when all of a piece are read")[self.start as usize..];
        let [user_id, product_id, category, brand, session] = self.lengths.map(|length| {
            let (text, behind) = rest.split_at(usize::from(length));
            rest = behind;
            text
        });
        let Self { at, known, price, .. } = *self;
        Row { user_id, at, kind: known.0, product_id, session, known, category, brand, price }
    }

    /// The event that it is, written over one of the same shape where there is one.
    pub(crate) fn input<'i>(&self, defaults: &Defaults, Made(made): &'i mut Made) -> &'i Input {
        let row = self.row();
        let shape = row.shape();
        let currency = defaults.currency.as_ref().map(|currency| currency.as_str());
        let place = made.iter().position(|(known, _)| *known == shape).unwrap_or(made.len());
        match made.get_mut(place) {
            Some((_, Input::Event { event, .. })) if !row.is_order() => {
                self.write_over(&row, event, currency);
            }
            known => {
                let kind = EventKind::Track { event: row.event(), properties: row.properties(self.id, currency) };
                let user_id = Some(row.user_id.to_owned());
                let event = Event::new(self.id, row.at, defaults.source.clone(), user_id, None, kind, Map::new());
                match known {
                    Some((_, known)) => *known = Input::event(event),
                    None => made.push((shape, Input::event(event))),
                }
            }
        }
        &made[place].1
    }

    /// Writes this event over another one of the same shape, which is no order.
    fn write_over(&self, row: &Row<'_>, event: &mut Event, currency: Option<&str>) {
        if let EventKind::Track { properties, .. } = &mut event.kind {
            row.write_over(properties, currency);
        }
        let user_id = event.user_id.get_or_insert_default();
        user_id.clear();
        user_id.push_str(row.user_id);
        (event.id, event.at) = (self.id, row.at);
        event.read_products();
    }
}

/// Events that were made of rows with the same defaults, the newest of each shape: most of the time that the next one
/// takes is memory taken for texts that are as long as those before.
#[derive(Debug, Default)]
pub(crate) struct Made(Vec<(Shape, Input)>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::RowReader;
    use proptest::prelude::*;

    const HEADER: &str =
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n";

    proptest! {
        #[test]
        fn an_event_written_over_another_is_what_it_is_alone(
            rows in prop::collection::vec(("view|cart|purchase", "[0-9]{1,3}", "|[a-z]{1,9}[.][a-z_]{1,40}", "|[a-z]{1,30}", "|[1-9][.]5"), 1..20),
            currency in any::<bool>(),
        ) {
            let (reader, _) = RowReader::recognise(HEADER.as_bytes(), None, &Default::default()).unwrap();
            let row = |(kind, id, category, brand, price): &(String, String, String, String, String)| {
                format!("2019-10-01 00:00:00 UTC,{kind},{id},1,{category},{brand},{price},u{brand}{id},s\n")
            };
            let text: String = rows.iter().map(row).collect();
            let mut read = Rows { latest: kairos_engine::time::Timestamp::MAX, ..Rows::default() };
            let currency = currency.then(|| kairos_engine::money::Currency::parse("EUR").unwrap());
            let defaults = Defaults { source: "import".into(), currency, ..Defaults::default() };
            reader.read(text.as_bytes(), &defaults, &mut read);
            prop_assert_eq!(read.inputs.len(), rows.len());
            let mut made = Made::default();
            for routed in &read.inputs {
                let alone = routed.what.input(&defaults, &mut Made::default()).clone();
                prop_assert_eq!(routed.what.input(&defaults, &mut made), &alone);
            }
        }
    }
}

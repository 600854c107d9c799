//! REES46's open data, as events.

use kairos_engine::bounds::ID_BYTES_MAX;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::time::Timestamp;
use serde_json::Map;

use super::rows::{Recorded, Rows, read_csv};
use super::{Columns, Defaults};
use crate::rees46::{self, Row};

/// Reads its rows.
#[derive(Debug)]
pub(crate) struct Rees46(rees46::Columns);

impl Rees46 {
    /// By the header; `None` when it is another table.
    pub(crate) fn of(columns: &Columns) -> Option<Self> {
        rees46::Columns::of(|name| columns.find(&[name])).ok().map(Self)
    }

    pub(crate) fn read(&self, text: &[u8], fields: usize, rows: &mut Rows) {
        read_csv(text, fields, rows, |row, rows| {
            let row = self.0.read(|column| row.get(column).copied(), ID_BYTES_MAX)?;
            rows.check_time(row.at)?;
            rows.events += 1;
            let user = UserKey::known(row.user_id);
            rows.keep(user, row.at, Recorded::Rees46(Box::new(KeptRow::of(&row, rows.event_id()))), true);
            Ok(())
        });
    }
}

/// A row until its turn comes. It takes a tenth of the memory of the event that it is, and whoever applies that makes
/// and drops it while it is at hand.
#[derive(Debug)]
pub(crate) struct KeptRow {
    id: InputId,
    at: Timestamp,
    kind: &'static str,
    event: &'static EventName,
    price: Option<f64>,
    /// The texts, one behind the other.
    text: Box<str>,
    /// Where they end.
    ends: [u32; 5],
}

impl KeptRow {
    fn of(row: &Row<'_>, id: InputId) -> Self {
        // The visit is part of orders alone.
        let session = if *row.event == EventName::OrderCompleted { row.session } else { "" };
        let texts = [row.user_id, row.product_id, row.category, row.brand, session];
        let mut text = String::with_capacity(texts.iter().map(|text| text.len()).sum());
        let ends = texts.map(|part| {
            text.push_str(part);
            text.len() as u32
        });
        Self { id, at: row.at, kind: row.kind, event: row.event, price: row.price, text: text.into(), ends }
    }

    fn row(&self) -> Row<'_> {
        let mut start = 0;
        let [user_id, product_id, category, brand, session] = self.ends.map(|end| {
            let text = &self.text[start..end as usize];
            start = end as usize;
            text
        });
        let Self { at, kind, event, price, .. } = *self;
        Row { user_id, at, kind, product_id, session, event, category, brand, price }
    }

    /// The event that it is.
    pub(crate) fn input(&self, defaults: &Defaults) -> Input {
        let row = self.row();
        let currency = defaults.currency.as_ref().map(|currency| currency.as_str());
        let kind = EventKind::Track { event: row.event(), properties: row.properties(self.id, currency) };
        let user_id = Some(row.user_id.to_owned());
        Input::event(Event::new(self.id, row.at, defaults.source.clone(), user_id, None, kind, Map::new()))
    }
}

//! REES46's open data, as events.

use kairos_engine::bounds::ID_BYTES_MAX;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use serde_json::Map;

use super::rows::{Rows, read_csv};
use super::{Columns, Defaults};
use crate::rees46;

/// Reads its rows.
#[derive(Debug)]
pub(crate) struct Rees46(rees46::Columns);

impl Rees46 {
    /// By the header; `None` when it is another table.
    pub(crate) fn of(columns: &Columns) -> Option<Self> {
        rees46::Columns::of(|name| columns.find(&[name])).ok().map(Self)
    }

    pub(crate) fn read(&self, text: &[u8], fields: usize, defaults: &Defaults, rows: &mut Rows) {
        read_csv(text, fields, rows, |row, rows| {
            let (user, event) = self.event(row, defaults, rows)?;
            rows.check_time(event.at)?;
            rows.events += 1;
            rows.push(user, Input::event(event), true);
            Ok(())
        });
    }

    fn event(&self, row: &[&str], defaults: &Defaults, rows: &Rows) -> Result<(UserKey, Event), String> {
        let row = self.0.read(|column| row.get(column).copied(), ID_BYTES_MAX)?;
        let id = rows.event_id();
        let currency = defaults.currency.as_ref().map(|currency| currency.as_str());
        let kind = EventKind::Track { event: row.event(), properties: row.properties(id, currency) };
        let user_id = Some(row.user_id.to_owned());
        let event = Event::new(id, row.at, defaults.source.clone(), user_id, None, kind, Map::new());
        Ok((UserKey::known(row.user_id), event))
    }
}

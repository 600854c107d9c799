//! Kairos' own archive: the inputs that users' commits have applied. `docs/archive.md` tells what else is in it.

use kairos_engine::facts::{Fact, Row};
use kairos_engine::mailbox::Input;
use kairos_engine::segment_spec::inputs_of;

use super::Rows;

/// Reads one row. Of what it holds, events and changes of products count: what they cause (alarms, links between
/// identities, decisions) comes of playing them.
pub(crate) fn read(line: &[u8], rows: &mut Rows) -> Result<(), String> {
    let row: Row = serde_json::from_slice(line).map_err(|error| format!("it is no row of an archive ({error})"))?;
    let Fact::Input { input, .. } = row.fact else { return Ok(()) };
    rows.check_time(input.at())?;
    match *input {
        // Where it was passed on to, it will be again.
        Input::Event { event, .. } => {
            rows.events += 1;
            for (user, input) in inputs_of(event) {
                rows.push(user, input, false);
            }
        }
        input @ Input::Catalogue { .. } => rows.push(row.user, input, false),
        Input::Tick { .. } | Input::Link { .. } | Input::Merge { .. } | Input::Recollection { .. } => {}
    }
    Ok(())
}

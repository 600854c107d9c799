//! What is known of the user's device, visit and origin.

use kairos_engine::playbook::ContextFact;
use serde_json::Value;

use crate::life::View;

/// A fact, as the newest event that tells it has it. Of facts that can be told in several ways, this knows
/// the plainest.
pub(crate) fn fact(view: &View<'_>, fact: ContextFact) -> Option<Value> {
    match fact {
        ContextFact::Device => view.newest_context(&["device", "type"]),
        ContextFact::Os => view.newest_context(&["os", "name"]),
        ContextFact::Source => view.done.last().map(|done| Value::from(done.event.source.as_str())),
        ContextFact::CampaignSource => view.newest_context(&["campaign", "source"]),
        ContextFact::CampaignMedium => view.newest_context(&["campaign", "medium"]),
        ContextFact::CampaignName => view.newest_context(&["campaign", "name"]),
        ContextFact::Country => view.newest_context(&["location", "country"]),
        ContextFact::Region => view.newest_context(&["location", "region"]),
        ContextFact::City => view.newest_context(&["location", "city"]),
        ContextFact::Language => {
            let locale = view.newest_context(&["locale"])?;
            Some(Value::from(locale.as_str()?.split(['-', '_']).next()?.to_lowercase()))
        }
        ContextFact::Referrer => {
            let link = view.newest_context(&["page", "referrer"])?;
            Some(Value::from(link.as_str()?.split("//").nth(1)?.split('/').next()?))
        }
        ContextFact::Platform => None,
    }
}

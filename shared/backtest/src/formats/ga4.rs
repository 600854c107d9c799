//! Rows of Google Analytics 4's BigQuery export
//! (<https://support.google.com/analytics/answer/7029846>), as `bq extract` writes them: a JSON object
//! in each line, in which whole numbers are texts.

use kairos_engine::bounds::{EVENT_NAME_BYTES_MAX, ID_BYTES_MAX};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::product::shortened;
use kairos_engine::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

use super::{Defaults, Rows};

/// What GA4 writes where it knows nothing.
const NOT_SET: [&str; 4] = ["", "(not set)", "(none)", "<Other>"];

/// Reads one row.
pub(crate) fn read(line: &[u8], defaults: &Defaults, rows: &mut Rows) -> Result<(), String> {
    let row: Row = serde_json::from_slice(line).map_err(|error| {
        format!("it is no row of GA4's export ({error}): export events_* as newline-delimited JSON")
    })?;
    let at = row.at()?;
    rows.check_time(at)?;
    let user_id = id("user_id", row.user_id.as_ref())?;
    let visitor = id("user_pseudo_id", row.user_pseudo_id.as_ref())?;
    let actor = match (&user_id, &visitor) {
        (Some(user_id), _) => UserKey::known(user_id),
        (None, Some(visitor)) => UserKey::anonymous(visitor),
        // A visitor without consent has neither.
        (None, None) => {
            rows.nobodys += 1;
            return Ok(());
        }
    };
    let kind = row.kind(defaults)?;
    let context = row.context();
    let row_id = rows.event_id();
    // GA4 has no call that says who a visitor is: a row with both ids does.
    if let (Some(_), Some(visitor)) = (&user_id, &visitor) {
        let from = UserKey::anonymous(visitor);
        let id = InputId::caused_by(row_id, "link", from);
        rows.push(from, Input::Link { id, at, to: actor }, false);
    }
    let event =
        |id, kind| Event::new(id, at, defaults.source.clone(), user_id.clone(), visitor.clone(), kind, context.clone());
    // What is known of them stands in every row; where a visit or an account begins is often enough.
    let traits = row.traits();
    if !traits.is_empty() {
        let id = InputId::caused_by(row_id, "identify", actor);
        rows.push(actor, Input::event(event(id, EventKind::Identify { traits })), true);
    }
    rows.events += 1;
    rows.push(actor, Input::event(event(row_id, kind)), true);
    Ok(())
}

/// A row, as far as it says something to a playbook.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    event_timestamp: Value,
    event_name: Option<String>,
    event_params: Option<Vec<Param>>,
    user_id: Option<Value>,
    user_pseudo_id: Option<Value>,
    user_properties: Option<Vec<Param>>,
    platform: Option<String>,
    device: Option<Device>,
    geo: Option<Geo>,
    app_info: Option<AppInfo>,
    traffic_source: Option<TrafficSource>,
    collected_traffic_source: Option<CollectedTrafficSource>,
    ecommerce: Option<Ecommerce>,
    items: Option<Vec<Map<String, Value>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Param {
    key: String,
    value: Option<ParamValue>,
}

/// One of its fields has a value.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ParamValue {
    string_value: Option<String>,
    int_value: Option<Value>,
    float_value: Option<Value>,
    double_value: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Device {
    category: Option<String>,
    operating_system: Option<String>,
    operating_system_version: Option<String>,
    language: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Geo {
    country: Option<String>,
    region: Option<String>,
    city: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AppInfo {
    id: Option<String>,
    version: Option<String>,
}

/// Where the user came from at the very first.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TrafficSource {
    source: Option<String>,
    medium: Option<String>,
    name: Option<String>,
}

/// Where the user came from with this event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CollectedTrafficSource {
    manual_source: Option<String>,
    manual_medium: Option<String>,
    manual_campaign_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ecommerce {
    transaction_id: Option<String>,
    purchase_revenue: Option<Value>,
    refund_value: Option<Value>,
}

impl Row {
    fn at(&self) -> Result<Timestamp, String> {
        let micros = whole(&self.event_timestamp).filter(|micros| *micros > 0);
        let shown = self.event_timestamp.to_string();
        micros.map(|micros| Timestamp::from_millis(micros / 1_000)).ok_or_else(|| {
            let shown = shortened(&shown, 40);
            format!("event_timestamp is {shown} and must be microseconds since 1970, as in 1612069510766593")
        })
    }

    fn kind(&self, defaults: &Defaults) -> Result<EventKind, String> {
        let name = self.event_name.as_deref().map(str::trim).unwrap_or_default();
        if name.is_empty() || name.len() > EVENT_NAME_BYTES_MAX {
            return Err(format!("event_name must have 1 to {EVENT_NAME_BYTES_MAX} bytes"));
        }
        let mut properties = values(self.event_params.as_deref());
        Ok(match name {
            "page_view" => {
                let page = self.page();
                properties.extend(page);
                EventKind::Page { name: self.param("page_title"), properties }
            }
            "screen_view" => EventKind::Screen {
                name: self.param("firebase_screen").or_else(|| self.param("firebase_screen_class")),
                properties,
            },
            _ => {
                self.add_order(&mut properties);
                let items = self.items();
                if (!items.is_empty() || properties.contains_key("total"))
                    && !properties.contains_key("currency")
                    && let Some(currency) = &defaults.currency
                {
                    properties.insert("currency".into(), currency.as_str().into());
                }
                if !items.is_empty() {
                    properties.insert("items".into(), Value::Array(items));
                }
                EventKind::Track { event: EventName::parse(name), properties }
            }
        })
    }

    fn add_order(&self, properties: &mut Map<String, Value>) {
        let Some(ecommerce) = &self.ecommerce else { return };
        if let Some(order) = set(&ecommerce.transaction_id) {
            properties.insert("order_id".into(), order.into());
        }
        let amount =
            |value: &Option<Value>| value.as_ref().and_then(decimal).filter(|amount| amount.as_f64() != Some(0.0));
        if let Some(total) = amount(&ecommerce.purchase_revenue).or_else(|| amount(&ecommerce.refund_value)) {
            properties.insert("total".into(), Value::Number(total));
        }
    }

    /// The products, without what is not known of them.
    fn items(&self) -> Vec<Value> {
        let known = |item: &Map<String, Value>| {
            let fields = item.iter().filter(|(_, value)| match value {
                Value::Null => false,
                Value::String(text) => !NOT_SET.contains(&text.as_str()),
                _ => true,
            });
            Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        self.items.iter().flatten().map(known).collect()
    }

    fn param(&self, key: &str) -> Option<String> {
        let value = self.event_params.iter().flatten().find(|param| param.key == key)?.value.as_ref()?;
        set(&value.string_value)
    }

    fn page(&self) -> Map<String, Value> {
        let mut page = Map::new();
        if let Some(url) = self.param("page_location") {
            if let Some(path) = path_of(&url) {
                page.insert("path".into(), path.into());
            }
            page.insert("url".into(), url.into());
        }
        for (name, key) in [("referrer", "page_referrer"), ("title", "page_title")] {
            if let Some(value) = self.param(key) {
                page.insert(name.into(), value.into());
            }
        }
        page
    }

    fn traits(&self) -> Map<String, Value> {
        let begins = ["first_visit", "first_open", "session_start", "login", "sign_up"];
        match &self.event_name {
            Some(name) if begins.contains(&name.as_str()) => values(self.user_properties.as_deref()),
            _ => Map::new(),
        }
    }

    /// The row's surroundings as a Segment client would write them.
    fn context(&self) -> Map<String, Value> {
        let mut context = Map::new();
        let mut add = |name: &str, fields: &[(&str, Option<String>)]| {
            let known: Map<String, Value> =
                fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?.into()))).collect();
            if !known.is_empty() {
                context.insert(name.to_owned(), Value::Object(known));
            }
        };
        if let Some(device) = &self.device {
            let category = set(&device.category).map(|category| match category.as_str() {
                "mobile" => "phone".to_owned(),
                "smart tv" => "tv".to_owned(),
                _ => category,
            });
            add("device", &[("type", category)]);
            add("os", &[("name", set(&device.operating_system)), ("version", set(&device.operating_system_version))]);
        }
        if let Some(geo) = &self.geo {
            add("location", &[("country", set(&geo.country)), ("region", set(&geo.region)), ("city", set(&geo.city))]);
        }
        if let Some(app) = self.app_info.as_ref().filter(|_| self.platform.as_deref() != Some("WEB")) {
            add("app", &[("name", set(&app.id)), ("version", set(&app.version))]);
        }
        let (source, medium, name) = self.campaign();
        add("campaign", &[("source", source), ("medium", medium), ("name", name)]);
        let page = self.page();
        if !page.is_empty() {
            context.insert("page".to_owned(), Value::Object(page));
        }
        if let Some(language) = self.device.as_ref().and_then(|device| set(&device.language)) {
            context.insert("locale".to_owned(), json!(language));
        }
        context
    }

    /// The campaign of the event. What brought the user at the very first stands in each row, and tells of
    /// the first visit alone.
    fn campaign(&self) -> (Option<String>, Option<String>, Option<String>) {
        let collected = self.collected_traffic_source.as_ref();
        let source = collected.and_then(|collected| set(&collected.manual_source)).or_else(|| self.param("source"));
        let medium = collected.and_then(|collected| set(&collected.manual_medium)).or_else(|| self.param("medium"));
        let name =
            collected.and_then(|collected| set(&collected.manual_campaign_name)).or_else(|| self.param("campaign"));
        let is_first = matches!(self.event_name.as_deref(), Some("first_visit" | "first_open"));
        match &self.traffic_source {
            Some(first) if is_first && source.is_none() => (set(&first.source), set(&first.medium), set(&first.name)),
            _ => (source, medium, name),
        }
    }
}

/// An id: text, or a whole number.
fn id(name: &str, value: Option<&Value>) -> Result<Option<String>, String> {
    let id = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(format!("{name} must be text")),
    };
    match id.len() {
        0 => Ok(None),
        bytes if bytes > ID_BYTES_MAX => Err(format!("{name} has {bytes} bytes and may have {ID_BYTES_MAX}")),
        _ => Ok(Some(id)),
    }
}

fn set(text: &Option<String>) -> Option<String> {
    text.as_deref().map(str::trim).filter(|text| !NOT_SET.contains(text)).map(str::to_owned)
}

fn values(params: Option<&[Param]>) -> Map<String, Value> {
    let value = |value: &ParamValue| {
        set(&value.string_value)
            .map(Value::String)
            .or_else(|| value.int_value.as_ref().and_then(whole).map(Value::from))
            .or_else(|| {
                [&value.double_value, &value.float_value].into_iter().flatten().find_map(decimal).map(Value::Number)
            })
    };
    let known = params.unwrap_or_default().iter().filter(|param| !param.key.is_empty());
    known.filter_map(|param| Some((param.key.clone(), value(param.value.as_ref()?)?))).collect()
}

/// A whole number, which JSON exports write as text.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn decimal(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => Number::from_f64(text.trim().parse().ok()?),
        _ => None,
    }
}

/// The path of a link.
fn path_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
    Some(path.split(['?', '#']).next().unwrap_or_default().to_owned())
}

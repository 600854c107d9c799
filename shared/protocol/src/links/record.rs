//! What is kept of a message's links, and what a click comes to.

use kairos_engine::bounds::{LINK_FALLBACK_RETENTION, LINKS_PER_MESSAGE_MAX};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{DeliveryId, InputId, UserKey};
use kairos_engine::mailbox::{DeliveryOrder, Input, MailboxMessage};
use kairos_engine::playbook::{AppLink, Channel, LinkSettings};
use kairos_engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{LinksId, with_parameters};

/// The source of what links tell users.
pub const SOURCE: &str = kairos_engine::event::LINKS;

/// The links of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLinks {
    /// Which message.
    pub delivery: DeliveryId,
    /// To whom.
    pub user: UserKey,
    /// The play that decided it.
    pub play: String,
    /// The message of the playbook.
    pub message: String,
    /// The channel.
    pub channel: Channel,
    /// Where they lead, by their number.
    pub links: Vec<Target>,
    /// What is added to pages: names and values of query parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(String, String)>,
    /// Where all of them lead after their time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Until when they lead where they should: no longer at this very millisecond.
    pub ends_at: Timestamp,
    /// Rises by one with every write.
    pub revision: u32,
}

/// Where a link leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The page, on computers and wherever nothing else is said.
    pub page: String,
    /// The name of the destination, when it is one of the playbook's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The page on tablets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablet: Option<String>,
    /// The page on phones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The app on iOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ios_app: Option<AppLink>,
    /// The app on Android.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub android_app: Option<AppLink>,
}

/// A record as it is stored: names its version, so that every version ever written can be read.
#[derive(Deserialize)]
#[serde(tag = "v")]
enum Stored {
    #[serde(rename = "1")]
    V1(MessageLinks),
}

#[derive(Serialize)]
#[serde(tag = "v")]
enum ToStore<'a> {
    #[serde(rename = "1")]
    V1(&'a MessageLinks),
}

/// What somebody holds in the hand who follows a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// How large it is.
    pub kind: DeviceKind,
    /// What runs on it.
    pub os: Os,
}

/// How large a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A phone.
    Phone,
    /// A tablet.
    Tablet,
    /// Everything else.
    Desktop,
}

impl DeviceKind {
    /// Its name in events, as in conditions on `device`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
        }
    }
}

/// What runs on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// iOS and iPadOS.
    Ios,
    /// Android.
    Android,
    /// Something else.
    Other,
}

/// Where a link leads now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// There.
    To(Where),
    /// Its time is over: to this page, if the playbook named one.
    Expired(Option<String>),
}

/// Where somebody is led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// To this page, with its parameters.
    Page(String),
    /// Into an app, or to where it can be had.
    App(AppLink),
}

impl Target {
    /// A page for all devices.
    pub fn page(page: &str) -> Self {
        Self { page: page.to_owned(), ..Self::default() }
    }

    /// What it leads to on this device.
    fn on(&self, device: Device) -> Result<&str, &AppLink> {
        let app = match device.os {
            Os::Ios => self.ios_app.as_ref(),
            Os::Android => self.android_app.as_ref(),
            Os::Other => None,
        };
        match (app, device.kind) {
            (Some(app), _) => Err(app),
            (None, DeviceKind::Phone) => Ok(self.phone.as_ref().unwrap_or(&self.page)),
            (None, DeviceKind::Tablet) => Ok(self.tablet.as_ref().unwrap_or(&self.page)),
            (None, DeviceKind::Desktop) => Ok(&self.page),
        }
    }
}

impl MessageLinks {
    /// The record of an order's links; of more than [`LINKS_PER_MESSAGE_MAX`] the first.
    pub fn new(order: &DeliveryOrder, settings: &LinkSettings, mut links: Vec<Target>) -> Self {
        links.truncate(LINKS_PER_MESSAGE_MAX);
        let utm = settings.utm.iter().flat_map(|utm| {
            let medium = utm.medium.get(&order.channel).map_or(order.channel.as_str(), String::as_str);
            [
                ("utm_source", &*utm.source),
                ("utm_medium", medium),
                ("utm_campaign", &*order.play),
                ("utm_content", &*order.message),
            ]
        });
        let banner = settings.banner_parameter.iter().map(|name| (&**name, &*order.message));
        Self {
            delivery: order.delivery,
            user: order.user,
            play: order.play.clone(),
            message: order.message.clone(),
            channel: order.channel,
            links,
            parameters: utm.chain(banner).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            fallback: settings.fallback.clone(),
            ends_at: order.decided_at.plus(settings.expires_after),
            revision: 1,
        }
    }

    /// What it is found by.
    pub fn id(&self) -> LinksId {
        LinksId::of(self.delivery)
    }

    /// The number of a link.
    pub fn number(&self, target: &Target) -> Option<u8> {
        let at = self.links.iter().position(|known| known == target)?;
        u8::try_from(at).ok()
    }

    /// The record with links of another try behind its own; `None` when it has all of them, or no room for more.
    pub(super) fn with(&self, links: &[Target]) -> Option<Self> {
        let mut all = self.links.clone();
        for link in links {
            if !all.contains(link) && all.len() < LINKS_PER_MESSAGE_MAX {
                all.push(link.clone());
            }
        }
        (all.len() > self.links.len()).then(|| Self { links: all, revision: self.revision + 1, ..self.clone() })
    }

    /// Where a link leads now, on this device.
    pub fn followed(&self, number: u8, device: Device, now: Timestamp) -> Followed {
        let target = self.links.get(usize::from(number)).filter(|_| now < self.ends_at);
        match target.map(|target| target.on(device)) {
            Some(Ok(page)) => Followed::To(Where::Page(with_parameters(page, &self.parameters))),
            Some(Err(app)) => Followed::To(Where::App(app.clone())),
            None => Followed::Expired(self.fallback.as_deref().map(|page| with_parameters(page, &[]))),
        }
    }

    /// What the user is told of a click. The same link always gives the same message, whenever it is followed.
    pub fn clicked(&self, number: u8, device: Device, now: Timestamp) -> Option<MailboxMessage> {
        let target = self.links.get(usize::from(number))?;
        let url = target.on(device).unwrap_or_else(|app| &app.deep_link);
        let properties = [
            ("link", json!(target.name.as_ref().unwrap_or(&target.page))),
            ("url", json!(url)),
            ("device", json!(device.kind.as_str())),
        ];
        let id = format!("{}/click/{number}", self.delivery);
        Some(self.tells(&id, EventName::MessageLinkClicked, properties.into(), now))
    }

    /// What the user is told when the message is opened. `proxied` says that a mail provider has fetched the picture,
    /// perhaps without anybody looking.
    pub fn opened(&self, proxied: bool, now: Timestamp) -> MailboxMessage {
        let id = format!("{}/open", self.delivery);
        self.tells(&id, EventName::MessageOpened, vec![("proxied", json!(proxied))], now)
    }

    fn tells(&self, id: &str, event: EventName, more: Vec<(&str, Value)>, now: Timestamp) -> MailboxMessage {
        let known = [
            ("channel", json!(self.channel)),
            ("play", json!(self.play)),
            ("message", json!(self.message)),
            ("delivery_id", json!(self.delivery)),
        ];
        let properties: Map<_, _> =
            known.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect();
        let kind = EventKind::Track { event, properties };
        // The mailbox says whose it is; who they are stands nowhere here.
        let id = InputId::of_message(SOURCE, id);
        let event = Event::new(id, now, SOURCE.to_owned(), None, None, kind, Map::new());
        MailboxMessage::of_inputs(self.user, vec![Input::event(event)])
    }

    /// When the record may be deleted (DynamoDB's TTL, in whole seconds).
    pub fn expires_at_secs(&self) -> i64 {
        self.ends_at.plus(LINK_FALLBACK_RETENTION).as_secs()
    }

    /// The record as it is stored: JSON with its version.
    ///
    /// # Errors
    /// Never for a record of this program; the serializer's type allows it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&ToStore::V1(self))
    }

    /// Reads a record of any version.
    ///
    /// # Errors
    /// When it is damaged, or of a version that this program does not know yet.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let Stored::V1(links) = serde_json::from_str(text)?;
        Ok(links)
    }
}

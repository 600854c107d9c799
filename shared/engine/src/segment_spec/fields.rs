//! The fields of a call, each found once.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

macro_rules! fields {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal; )*) => {
        /// A field that means something.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field {
            $( $(#[$doc])* $variant, )*
        }

        impl Field {
            const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            fn of(name: &str) -> Option<Self> {
                match name {
                    $( $name => Some(Self::$variant), )*
                    _ => None,
                }
            }

            /// As calls write it.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }
        }
    };
}

fields! {
    /// Which call.
    Type = "type";
    /// The name of what a track call tells.
    Event = "event";
    /// The known user.
    UserId = "userId";
    /// The visitor.
    AnonymousId = "anonymousId";
    /// What recognises a repetition.
    MessageId = "messageId";
    /// When it happened.
    Timestamp = "timestamp";
    /// When it happened, by the client's clock.
    OriginalTimestamp = "originalTimestamp";
    /// When it was sent.
    SentAt = "sentAt";
    /// When it arrived, as archives know.
    ReceivedAt = "receivedAt";
    /// Where it happened.
    Context = "context";
    /// The details of what happened.
    Properties = "properties";
    /// What is known of the user, or the group.
    Traits = "traits";
    /// The name of a page or a screen.
    Name = "name";
    /// What kind of page or screen it is.
    Category = "category";
    /// Which group.
    GroupId = "groupId";
    /// The earlier id.
    PreviousId = "previousId";
    /// By which key it came.
    WriteKey = "writeKey";
    /// Calls that were sent together.
    Batch = "batch";
}

/// The fields of a call. Those that mean something have a place each: looked up in a map, each would be compared with
/// several others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    known: [Option<Value>; Field::ALL.len()],
    others: Map<String, Value>,
}

impl Fields {
    /// A field.
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.known[field as usize].as_ref()
    }

    /// Takes a field out.
    pub fn take(&mut self, field: Field) -> Option<Value> {
        self.known[field as usize].take()
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        let known = Field::ALL.iter().filter_map(|field| Some((field.name(), self.get(*field)?)));
        known.chain(self.others.iter().map(|(name, value)| (name.as_str(), value)))
    }

    /// All of them, in the order of their names.
    pub(super) fn in_order(&self) -> Vec<(&str, &Value)> {
        let mut fields: Vec<_> = self.all().collect();
        fields.sort_unstable_by_key(|(name, _)| *name);
        fields
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(map: Map<String, Value>) -> Self {
        let mut fields = Self::default();
        for (name, value) in map {
            match Field::of(&name) {
                Some(field) => fields.known[field as usize] = Some(value),
                None => {
                    fields.others.insert(name, value);
                }
            }
        }
        fields
    }
}

/// The name of a field, kept only where it means nothing.
enum Name {
    Known(Field),
    Other(String),
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfName;

        impl Visitor<'_> for OfName {
            type Value = Name;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a field")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Field::of(name).map_or_else(|| Name::Other(name.into()), Name::Known))
            }
        }

        deserializer.deserialize_identifier(OfName)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfFields;

        impl<'de> Visitor<'de> for OfFields {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                // Of fields of the same name the last one counts.
                while let Some(name) = map.next_key()? {
                    let value = map.next_value()?;
                    match name {
                        Name::Known(field) => fields.known[field as usize] = Some(value),
                        Name::Other(name) => {
                            fields.others.insert(name, value);
                        }
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(OfFields)
    }
}

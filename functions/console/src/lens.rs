//! What figures are cut by: everything, or one channel, source, device, region or segment. It stands in the address
//! (`only=channel:email`), so that it is shared with it.

use kairos_engine::money::Micros;
use kairos_insights::counts::{Additive, Amounts, Counts, Orders, PlayCounts, Tallies, UNKNOWN};

use crate::problem::Problem;
use crate::request::Fields;

/// By what figures are cut. Counts are kept for each of these, not for combinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The channel of messages.
    Channel,
    /// Where the user came from.
    Source,
    /// The campaign.
    Campaign,
    /// The kind of device.
    Device,
    /// The country.
    Region,
    /// The segment.
    Segment,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Channel, Self::Segment, Self::Source, Self::Campaign, Self::Device, Self::Region];

    /// Its name in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Source => "source",
            Self::Campaign => "campaign",
            Self::Device => "device",
            Self::Region => "region",
            Self::Segment => "segment",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Channel => "Channel",
            Self::Source => "Traffic source",
            Self::Campaign => "Campaign",
            Self::Device => "Device",
            Self::Region => "Country",
            Self::Segment => "Segment",
        }
    }

    /// The values that were counted.
    pub fn values(self, counts: &Counts) -> Vec<String> {
        let mut values: Vec<String> = match self {
            Self::Channel => counts.channels.iter().map(|(name, _)| name.to_owned()).collect(),
            Self::Source => counts.sources.iter().map(|(name, _)| name.to_owned()).collect(),
            Self::Campaign => counts.campaigns.iter().map(|(name, _)| name.to_owned()).collect(),
            Self::Device => counts.devices.iter().map(|(name, _)| name.to_owned()).collect(),
            Self::Region => counts.regions.iter().map(|(name, _)| name.to_owned()).collect(),
            Self::Segment => counts.segments.iter().map(|(name, _)| name.to_owned()).collect(),
        };
        values.sort();
        values
    }
}

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lens(Option<(Dimension, String)>);

impl Lens {
    /// What a query asks for.
    ///
    /// # Errors
    /// When it asks for something that figures are not cut by.
    pub fn of(query: &Fields) -> Result<Self, Problem> {
        let Some(only) = query.get("only") else { return Ok(Self(None)) };
        let parts = only.split_once(':').and_then(|(name, value)| {
            let dimension = Dimension::ALL.into_iter().find(|dimension| dimension.as_str() == name)?;
            Some((dimension, value.to_owned()))
        });
        match parts {
            Some(parts) => Ok(Self(Some(parts))),
            None => {
                let all = Dimension::ALL.map(Dimension::as_str).join(", ");
                Err(Problem::NotUnderstood(format!("Write only=NAME:VALUE, where NAME is one of {all}.")))
            }
        }
    }

    /// What is chosen, as it stands in an address.
    pub fn chosen(&self) -> Option<String> {
        self.0.as_ref().map(|(dimension, value)| format!("{}:{value}", dimension.as_str()))
    }

    /// In words, as in `Channel email`.
    pub fn words(&self) -> Option<String> {
        self.0.as_ref().map(|(dimension, value)| format!("{}: {value}", dimension.title()))
    }

    /// What plays did.
    pub fn tallies(&self, counts: &Counts) -> Tallies {
        let Some((dimension, value)) = &self.0 else { return counts.total.plays.clone() };
        let found = match dimension {
            Dimension::Channel => counts.channels.get(value),
            Dimension::Source => counts.sources.get(value).map(|cut| &cut.plays),
            Dimension::Campaign => counts.campaigns.get(value).map(|cut| &cut.plays),
            Dimension::Device => counts.devices.get(value).map(|cut| &cut.plays),
            Dimension::Region => counts.regions.get(value).map(|cut| &cut.plays),
            Dimension::Segment => counts.segments.get(value).map(|cut| &cut.plays),
        };
        found.cloned().unwrap_or_default()
    }

    /// What was bought; `None` by channel: an order has none.
    pub fn orders(&self, counts: &Counts) -> Option<Orders> {
        let Some((dimension, value)) = &self.0 else { return Some(counts.total.orders.clone()) };
        let found = match dimension {
            Dimension::Channel => return None,
            Dimension::Source => counts.sources.get(value),
            Dimension::Campaign => counts.campaigns.get(value),
            Dimension::Device => counts.devices.get(value),
            Dimension::Region => counts.regions.get(value),
            Dimension::Segment => counts.segments.get(value),
        };
        Some(found.map(|cut| cut.orders.clone()).unwrap_or_default())
    }

    /// What one play did; `None` by campaign, which is not counted apart for each play.
    pub fn play(&self, play: &PlayCounts) -> Option<Tallies> {
        let Some((dimension, value)) = &self.0 else { return Some(play.total.clone()) };
        let found = match dimension {
            Dimension::Channel => {
                let mut sum = Tallies::default();
                for (_, channels) in play.messages.iter() {
                    channels.get(value).into_iter().for_each(|tallies| sum.add(tallies));
                }
                return Some(sum);
            }
            Dimension::Campaign => return None,
            Dimension::Source => play.sources.get(value),
            Dimension::Device => play.devices.get(value),
            Dimension::Region => play.regions.get(value),
            Dimension::Segment => play.segments.get(value),
        };
        Some(found.cloned().unwrap_or_default())
    }
}

/// The currency of most amounts.
pub fn main_currency(amounts: &Amounts) -> Option<String> {
    let known = amounts.iter().filter(|(name, _)| *name != UNKNOWN);
    known.max_by_key(|(_, amount)| amount.count).map(|(name, _)| name.to_owned())
}

/// The amount of one currency.
pub fn amount(amounts: &Amounts, currency: &str) -> Micros {
    amounts.get(currency).map(|amount| amount.value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lens(query: &str) -> Result<Lens, Problem> {
        Lens::of(&Fields::read(query).unwrap())
    }

    #[test]
    fn figures_are_cut_by_what_the_address_says() {
        let mut counts = Counts::default();
        counts.total.plays.sent = 10;
        counts.channels.of("email").sent = 6;
        counts.sources.of("google: ads").plays.sent = 4;
        counts.sources.of("google: ads").orders.orders = 2;
        let sent = |query: &str| {
            let lens = lens(query).unwrap();
            (lens.tallies(&counts).sent, lens.orders(&counts).map(|orders| orders.orders))
        };
        assert_eq!(sent(""), (10, Some(0)));
        assert_eq!(sent("only=channel:email"), (6, None));
        assert_eq!(sent("only=source:google%3A+ads"), (4, Some(2)));
        assert_eq!(sent("only=segment:nobody"), (0, Some(0)));
        assert_eq!(lens("only=source:a:b").unwrap().chosen().as_deref(), Some("source:a:b"));
        assert!(lens("only=colour:red").is_err() && lens("only=channel").is_err());
    }

    #[test]
    fn a_play_by_channel_is_the_sum_of_its_messages() {
        let mut play = PlayCounts::default();
        play.messages.of("hello").of("email").sent = 3;
        play.messages.of("again").of("email").sent = 4;
        play.messages.of("again").of("sms").sent = 5;
        let sent = |query: &str| lens(query).unwrap().play(&play).map(|tallies| tallies.sent);
        assert_eq!((sent("only=channel:email"), sent("only=campaign:x"), sent("")), (Some(7), None, Some(0)));
    }
}

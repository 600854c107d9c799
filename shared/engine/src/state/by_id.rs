//! What is remembered of registers and conditions: values by number, in a vector that is small and sorted.

use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Values by a 32-bit id, in the order of the ids.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(transparent)]
pub struct ById<T>(#[n(0)] Vec<(u32, T)>);

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ById<T> {
    fn search(&self, id: u32) -> Result<usize, usize> {
        debug_assert!(self.is_sorted(), "nothing is searched for while a step is under way");
        self.0.binary_search_by_key(&id, |(known, _)| *known)
    }

    /// The value with this id.
    pub fn get(&self, id: u32) -> Option<&T> {
        self.search(id).ok().map(|position| &self.0[position].1)
    }

    /// The value with this id, to be changed in its place.
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.search(id).ok().map(|position| &mut self.0[position].1)
    }

    /// Puts a value under this id, or takes the one out that is there.
    pub fn set(&mut self, id: u32, value: Option<T>) {
        match (self.search(id), value) {
            (Ok(position), Some(value)) => self.0[position].1 = value,
            (Err(position), Some(value)) => self.0.insert(position, (id, value)),
            (Ok(position), None) => drop(self.0.remove(position)),
            (Err(_), None) => {}
        }
    }

    /// The value at a position, which is not searched for.
    pub(crate) fn at(&self, position: usize) -> &T {
        &self.0[position].1
    }

    /// The value at a position, to be changed in its place.
    pub(crate) fn at_mut(&mut self, position: usize) -> &mut T {
        &mut self.0[position].1
    }

    /// Puts a value under an id that is not there yet behind all others, and gives its position. Afterwards,
    /// nothing is found by its id until [`Self::sort`] has put it in its place.
    pub(crate) fn push(&mut self, id: u32, value: T) -> usize {
        // Most users soon have a dozen: growing from one to two to four would move each several times.
        if self.0.len() == self.0.capacity() {
            self.0.reserve(self.0.len().max(12));
        }
        self.0.push((id, value));
        self.0.len() - 1
    }

    pub(super) fn is_sorted(&self) -> bool {
        self.0.is_sorted_by_key(|(id, _)| *id)
    }

    /// Puts all in the order of their ids.
    pub(crate) fn sort(&mut self) {
        self.0.sort_unstable_by_key(|(id, _)| *id);
    }

    /// All values with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.0.iter().map(|(id, value)| (*id, value))
    }

    /// Lets go of what is not asked for.
    pub(crate) fn retain(&mut self, keep: impl Fn(u32, &T) -> bool) {
        self.0.retain(|(id, value)| keep(*id, value));
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

//! The products bought last, which messages do not offer again: kept as hashes, because nobody has to read them, and
//! eight bytes are an eighth of the longest id.

use alloc::vec::Vec;
use sha2::{Digest, Sha256};

use crate::bounds::BOUGHT_MAX;
use crate::product::Product;

/// What stands for a product among those that were bought: the first eight bytes of the SHA-256 of its id.
pub fn key(product: &str) -> u64 {
    let hash = Sha256::digest(product.as_bytes());
    u64::from_be_bytes(hash[..8].try_into().expect("eight bytes are eight bytes"))
}

/// Notes what was bought, newest last.
pub(crate) fn note(bought: &mut Vec<u64>, products: &[Product]) {
    for key in products.iter().map(|product| key(&product.id)) {
        bought.retain(|known| *known != key);
        bought.push(key);
    }
    shorten(bought);
}

/// What a user bought together with what they had bought as a visitor.
pub(crate) fn merged(older: Vec<u64>, newer: Vec<u64>) -> Vec<u64> {
    let mut bought = older;
    bought.retain(|product| !newer.contains(product));
    bought.extend(newer);
    shorten(&mut bought);
    bought
}

fn shorten(bought: &mut Vec<u64>) {
    let too_many = bought.len().saturating_sub(BOUGHT_MAX);
    bought.drain(..too_many);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn product(id: &str) -> Product {
        Product { id: id.into(), quantity: 1, ..Product::default() }
    }

    #[test]
    fn what_was_bought_last_is_kept_once_and_the_oldest_leaves() {
        let mut bought = Vec::new();
        (0..BOUGHT_MAX + 2).for_each(|number| note(&mut bought, &[product(&number.to_string())]));
        assert_eq!((bought.len(), bought[0]), (BOUGHT_MAX, key("2")));
        note(&mut bought, &[product("5")]);
        assert_eq!((bought.len(), bought.last()), (BOUGHT_MAX, Some(&key("5"))));
        assert_eq!(merged(vec![1], vec![2, 1]), [2, 1]);
        assert_eq!(merged(bought, (0..12).collect()).first(), Some(&0));
    }
}

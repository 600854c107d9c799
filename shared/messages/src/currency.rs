//! Tells `money` the currency of the value it shows: that which stands beside the price.

use std::borrow::Cow;

use crate::scan::{Token, tokens};

/// What stands for "no price with a currency beside it": the one that all prices of the message share, if any.
pub(crate) const COMMON: &str = "?";

/// The words of an output or an `assign`, in which every `money` has the currency as its first argument:
/// `item.price | money: ','` becomes `item.price | money: item.currency, ','`.
pub(crate) fn told(words: &str) -> Cow<'_, str> {
    let tokens = tokens(words, 0);
    let is_money = |at: usize| tokens[at].1 == Token::Word("money") && at > 0 && tokens[at - 1].1 == Token::Symbol("|");
    if !(0..tokens.len()).any(is_money) {
        return Cow::Borrowed(words);
    }
    let start = if matches!(tokens.get(1), Some((_, Token::Symbol("=")))) { 2 } else { 0 };
    let currency = beside(words, tokens.get(start..).unwrap_or_default())
        .map_or_else(|| format!("'{COMMON}'"), |owner| format!("{owner}.currency"));
    let mut told = String::with_capacity(words.len() + 2 * currency.len());
    let mut copied = 0;
    for at in (0..tokens.len()).filter(|at| is_money(*at)) {
        let (end, comma) = match tokens.get(at + 1) {
            Some((colon, Token::Symbol(":"))) => (colon + 1, ","),
            _ => (tokens[at].0 + "money".len(), ""),
        };
        told.push_str(&words[copied..tokens[at].0]);
        told.push_str(&format!("money: {currency}{comma}"));
        copied = end;
    }
    told.push_str(&words[copied..]);
    Cow::Owned(told)
}

/// What the price belongs to that the chain begins with: `cart.items[0]` of `cart.items[0].price`.
fn beside<'s>(words: &'s str, tokens: &[(usize, Token<'s>)]) -> Option<&'s str> {
    let (start, Token::Word(_)) = tokens.first()? else { return None };
    let mut at = 1;
    let mut last_dot = None;
    loop {
        match tokens.get(at..).unwrap_or_default() {
            [(dot, Token::Symbol(".")), (_, Token::Word(field)), ..] => {
                last_dot =
                    matches!(*field, "price" | "was" | "total" | "amount" | "minimum_total" | "maximum_discount")
                        .then_some(*dot);
                at += 2;
            }
            [(_, Token::Symbol("[")), ..] => {
                let mut depth = 0_usize;
                loop {
                    match tokens.get(at)?.1 {
                        Token::Symbol("[") => depth += 1,
                        Token::Symbol("]") => depth -= 1,
                        _ => {}
                    }
                    at += 1;
                    if depth == 0 {
                        break;
                    }
                }
                last_dot = None;
            }
            _ => return last_dot.map(|dot| &words[*start..dot]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_currency_is_taken_from_beside_the_price() {
        for (words, expected) in [
            ("item.price | money", "item.price | money: item.currency"),
            ("promo_code.amount | money", "promo_code.amount | money: promo_code.currency"),
            ("promo_code.minimum_total | money", "promo_code.minimum_total | money: promo_code.currency"),
            ("item.price | times: 2 | money: ','", "item.price | times: 2 | money: item.currency, ','"),
            (
                "cart.items[cart.items[0].quantity].price|money:','",
                "cart.items[cart.items[0].quantity].price|money: cart.items[cart.items[0].quantity].currency,','",
            ),
            (
                "product.was | minus: product.price | money",
                "product.was | minus: product.price | money: product.currency",
            ),
            ("sum = cart.total | money", "sum = cart.total | money: cart.currency"),
            ("sum | money", "sum | money: '?'"),
            ("5 | money", "5 | money: '?'"),
            ("event.price.x | money", "event.price.x | money: '?'"),
            ("item.name | append: ' | money'", "item.name | append: ' | money'"),
            ("cart.items[ | money", "cart.items[ | money: '?'"),
            ("a] | money", "a] | money: '?'"),
        ] {
            assert_eq!(told(words), expected, "{words}");
        }
    }
}

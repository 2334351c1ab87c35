//! The items of the largest probabilities, equal ones by the lower number.

/// The best items so far, best first.
pub(crate) struct Best {
    pub(crate) k: usize,
    pub(crate) items: Vec<(u32, f64)>,
}

impl Best {
    /// Whether an item of `probability` may be among the best.
    pub(crate) fn may_take(&self, probability: f64) -> bool {
        self.items.len() < self.k || self.items.last().is_some_and(|&(_, last)| probability >= last)
    }

    /// Put in an item, which must not be there yet.
    pub(crate) fn take(&mut self, item: u32, probability: f64) {
        let place = self.items.partition_point(|&(other, better)| {
            better > probability || (better.to_bits() == probability.to_bits() && other < item)
        });
        self.items.insert(place, (item, probability));
        self.items.truncate(self.k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_number() {
        let mut best = Best { k: 3, items: Vec::new() };
        for (item, probability) in [(7, 0.2), (9, 0.5), (3, 0.2), (5, 0.2), (1, 0.1)] {
            best.take(item, probability);
        }
        assert_eq!(best.items, [(9, 0.5), (3, 0.2), (5, 0.2)]);
        assert!(best.may_take(0.2) && !best.may_take(0.1));
    }
}

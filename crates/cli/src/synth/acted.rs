//! What a user did before, where it decides which events a log keeps: none twice, or none too soon.

use super::behaviour::{Event, day_of_user};
use super::market::Market;

/// Items that a user has acted on, ascending, each with the day of the newest event that was kept. Empty where the log
/// keeps every event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acted {
    items: Vec<(u32, u32)>,
}

impl Acted {
    /// [`day_of_user`], without the events that the log does not keep. The days of a user must be passed in their order.
    pub(crate) fn day_of_user(
        &mut self,
        market: &Market<'_>,
        user: u64,
        day: u32,
        sink: &mut impl FnMut(Event),
    ) {
        let options = market.options;
        if !options.drops_events() {
            return day_of_user(market, user, day, sink);
        }
        day_of_user(market, user, day, &mut |event| {
            if self.keep(event.item, day, (!options.no_repeats).then_some(options.repeat_gap_days)) {
                sink(event);
            }
        });
    }

    /// Note an event, and whether it is kept: the first of its item, or `gap` days after the last that was kept.
    pub(crate) fn keep(&mut self, item: u32, day: u32, gap: Option<u32>) -> bool {
        match self.items.binary_search_by_key(&item, |known| known.0) {
            Err(place) => {
                self.items.insert(place, (item, day));
                true
            }
            Ok(place) => {
                let last = &mut self.items[place].1;
                let is_free = gap.is_some_and(|gap| day >= *last + gap);
                if is_free {
                    *last = day;
                }
                is_free
            }
        }
    }

    /// Day of the newest kept event on `item`.
    pub(crate) fn last(&self, item: u32) -> Option<u32> {
        let place = self.items.binary_search_by_key(&item, |known| known.0);
        place.ok().map(|place| self.items[place].1)
    }

    /// The items.
    pub(crate) fn items(&self) -> impl Iterator<Item = u32> {
        self.items.iter().map(|known| known.0)
    }
}

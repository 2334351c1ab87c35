//! A run that several workers share.

use dayvec_inference::{DailyRequest, Outcome};

use crate::shop::{Shop, day};

fn shop() -> Shop {
    let mut shop = Shop::new();
    shop.config.wave_users = 15; // 60 users in 4 buckets: a wave a bucket
    shop
}

fn share(text: &str, n: i32) -> DailyRequest {
    DailyRequest { share: text.parse().unwrap(), ..DailyRequest::new(day(n)) }
}

#[test]
fn whoever_finishes_last_commits_and_the_rows_are_those_of_one_worker() {
    let (alone, shared) = (shop(), shop());
    for n in 0..2 {
        alone.run(n).unwrap();
        let first = shared.run_with(share("1/3", n)).unwrap();
        assert_eq!((first.outcome, first.users > 0), (Outcome::ShareDone, true));
        let announced = shared.path("bucket/announcements").read_dir().map_or(0, Iterator::count);
        assert_eq!(announced, n as usize, "nothing is announced by halves");
        assert_eq!(shared.run_with(share("0/3", n)).unwrap().outcome, Outcome::ShareDone);
        // A worker that is started twice does no harm.
        assert_eq!(shared.run_with(share("0/3", n)).unwrap().outcome, Outcome::ShareDone);
        let last = shared.run_with(share("2/3", n)).unwrap();
        assert_eq!(last.outcome, Outcome::Announced);
        assert_eq!(shared.run_with(share("1/3", n)).unwrap().outcome, Outcome::AlreadyAnnounced);
        let (ours, theirs) = (shared.rows(), alone.rows());
        assert_eq!(ours.len(), theirs.len());
        assert!(ours.iter().all(|(id, row)| row == &theirs[id]), "the rows differ on day {n}");
    }
}

#[test]
fn a_share_that_was_lost_is_done_by_another_worker() {
    let shop = shop();
    assert_eq!(shop.run_with(share("0/2", 0)).unwrap().outcome, Outcome::ShareDone);
    let report = shop.run(0).unwrap();
    assert_eq!((report.outcome, report.resumed_buckets), (Outcome::Announced, 2));
}

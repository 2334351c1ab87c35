//! Which users are held out of training, for evaluation alone.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Keeps the choice independent of a user's bucket, which is the same hash without a seed.
const SALT: u64 = 0x6865_6c64_206f_7574;

/// Whether the user belongs to the held-out fifth: a salted hash of the id alone, so the same in every program,
/// on every day.
#[must_use]
pub fn is_held_out(user_id: &str) -> bool {
    xxh3_64_with_seed(user_id.as_bytes(), SALT).is_multiple_of(5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dayvec_core::bucket_of;

    #[test]
    fn a_fifth_is_held_out_in_every_bucket() {
        let ids: Vec<String> = (0..20_000).map(|id| id.to_string()).collect();
        for bucket in 0..5 {
            let of_bucket: Vec<_> = ids.iter().filter(|id| bucket_of(id, 5) == bucket).collect();
            let held_out = of_bucket.iter().filter(|id| is_held_out(id)).count();
            let share = held_out as f64 / of_bucket.len() as f64;
            assert!((0.18..0.22).contains(&share), "bucket {bucket}: {share}");
        }
    }

    #[test]
    fn the_choice_never_changes() {
        let held_out: Vec<_> = (0..20).filter(|id: &i32| is_held_out(&id.to_string())).collect();
        assert_eq!(held_out, [6, 7, 10, 13, 16, 18], "changing it would leak evaluation users into training");
    }
}

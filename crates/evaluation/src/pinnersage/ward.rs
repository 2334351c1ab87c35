//! Ward's agglomerative clustering by the nearest-neighbour chain, O(n²) in time and memory.
//!
//! **Ties** are settled as SciPy's `linkage(method="ward")` settles them, so that the trees are equal: a chain starts at
//! the lowest point that is still a cluster; of equally near clusters the one before it in the chain wins, then the one of
//! the lowest row; a merged cluster takes the higher of the two rows; merges of equal height keep the order in which
//! they were found.

/// A merge of two clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    /// A point of the one cluster.
    pub a: u32,
    /// A point of the other.
    pub b: u32,
    /// Ward's distance of the two, √(2·nₐ·n_b / (nₐ + n_b))·‖mean of a - mean of b‖: of two points their Euclidean distance.
    pub height: f64,
}

/// The n - 1 merges of n points, by ascending height.
#[derive(Debug, Clone, PartialEq)]
pub struct Dendrogram {
    n_points: usize,
    merges: Vec<Merge>,
}

/// Distances between `n` points, the upper triangle by rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Distances {
    n_points: usize,
    values: Vec<f64>,
}

impl Distances {
    /// Euclidean distances between rows of `points`, `[n, dim]`.
    #[must_use]
    pub fn euclidean(points: &[f32], dim: usize) -> Self {
        let rows: Vec<&[f32]> = points.chunks_exact(dim.max(1)).collect();
        let mut values = Vec::with_capacity(rows.len() * rows.len().saturating_sub(1) / 2);
        for (at, a) in rows.iter().enumerate() {
            values.extend(rows[at + 1..].iter().map(|b| {
                let square = |(x, y): (&f32, &f32)| (f64::from(*x) - f64::from(*y)).powi(2);
                a.iter().zip(*b).map(square).sum::<f64>().sqrt()
            }));
        }
        Self { n_points: rows.len(), values }
    }

    const fn place(&self, a: usize, b: usize) -> usize {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        low * (2 * self.n_points - low - 1) / 2 + high - low - 1
    }

    /// Distance of two points; 0 of a point from itself.
    #[must_use]
    pub fn get(&self, a: usize, b: usize) -> f64 {
        if a == b { 0.0 } else { self.values[self.place(a, b)] }
    }

    /// Number of points.
    #[must_use]
    pub const fn n_points(&self) -> usize {
        self.n_points
    }
}

impl Dendrogram {
    /// Ward's tree over points with these Euclidean distances.
    #[must_use]
    pub fn ward(mut distances: Distances) -> Self {
        let n_points = distances.n_points;
        let mut sizes = vec![1.0_f64; n_points]; // 0 where a row has been merged into another
        let mut chain: Vec<usize> = Vec::with_capacity(n_points);
        let mut merges = Vec::with_capacity(n_points.saturating_sub(1));
        for _ in 1..n_points {
            if chain.is_empty() {
                chain.extend(sizes.iter().position(|&size| size > 0.0));
            }
            let (a, b, height) = mutual_neighbours(&distances, &sizes, &mut chain);
            let (a, b) = (a.min(b), a.max(b));
            merges.push(Merge { a: a as u32, b: b as u32, height });
            update(&mut distances, &sizes, (a, b), height);
            sizes[b] += sizes[a];
            sizes[a] = 0.0;
        }
        merges.sort_by(|one, other| one.height.total_cmp(&other.height)); // stable
        Self { n_points, merges }
    }

    /// The merges by ascending height.
    #[must_use]
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// The clusters that merges of a height of at most `height` make: members ascending, clusters by their first member.
    #[must_use]
    pub fn cut(&self, height: f64) -> Vec<Vec<u32>> {
        let mut parents: Vec<u32> = (0..self.n_points as u32).collect();
        for merge in self.merges.iter().take_while(|merge| merge.height <= height) {
            let (a, b) = (root(&mut parents, merge.a), root(&mut parents, merge.b));
            parents[a.max(b) as usize] = a.min(b); // so that a cluster's root is its first member
        }
        let mut cluster_of = vec![usize::MAX; self.n_points];
        let mut clusters: Vec<Vec<u32>> = Vec::new();
        for point in 0..self.n_points as u32 {
            let root = root(&mut parents, point);
            if root == point {
                cluster_of[point as usize] = clusters.len();
                clusters.push(Vec::new());
            }
            clusters[cluster_of[root as usize]].push(point);
        }
        clusters
    }
}

fn root(parents: &mut [u32], mut point: u32) -> u32 {
    while parents[point as usize] != point {
        parents[point as usize] = parents[parents[point as usize] as usize];
        point = parents[point as usize];
    }
    point
}

/// Follow nearest neighbours from the end of `chain` until two are each other's; they are taken off the chain.
fn mutual_neighbours(distances: &Distances, sizes: &[f64], chain: &mut Vec<usize>) -> (usize, usize, f64) {
    loop {
        let here = chain[chain.len() - 1];
        let before = (chain.len() > 1).then(|| chain[chain.len() - 2]);
        let mut nearest = before;
        let mut least = before.map_or(f64::INFINITY, |before| distances.get(here, before));
        for other in (0..distances.n_points).filter(|&other| other != here && sizes[other] > 0.0) {
            let distance = distances.get(here, other);
            if distance < least {
                (nearest, least) = (Some(other), distance);
            }
        }
        let nearest = nearest.expect("two clusters are left, and distances are finite");
        if before == Some(nearest) {
            chain.truncate(chain.len() - 2);
            return (here, nearest, least);
        }
        chain.push(nearest);
    }
}

/// Lance and Williams' update for Ward: the distances of `b`, which becomes the union of `a` and `b`.
fn update(distances: &mut Distances, sizes: &[f64], (a, b): (usize, usize), height: f64) {
    for other in (0..distances.n_points).filter(|&other| other != a && other != b && sizes[other] > 0.0) {
        let (from_a, from_b) = (distances.get(other, a), distances.get(other, b));
        let share = 1.0 / (sizes[a] + sizes[b] + sizes[other]);
        // In this order of operations, as SciPy's: then ties are ties in both.
        let square = (sizes[other] + sizes[a]) * share * from_a * from_a
            + (sizes[other] + sizes[b]) * share * from_b * from_b
            - sizes[other] * share * height * height;
        let place = distances.place(other, b);
        distances.values[place] = square.max(0.0).sqrt();
    }
}

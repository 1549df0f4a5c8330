"""How storage fills: growth per day, sudden changes apart, and days until it is full. Pure."""

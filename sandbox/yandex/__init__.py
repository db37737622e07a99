"""Stand-ins of Yandex OAuth, the Disk API and its upload hosts, stricter than the real ones."""

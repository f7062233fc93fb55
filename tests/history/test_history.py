"""Pages of visits, and what each reader sees of them."""

from visitcase import FRONT, MANAGER, House  # noqa: F401


def test_page(house):
    house.enrol()
    seqs = [house.come(f"Dora {number}") for number in range(7)]
    house.collect()
    page = house.page(limit=3)
    assert [shown.seq for shown in page.stories] == seqs[:-4:-1]
    for shown in page.stories:
        assert (shown.proof.state, shown.picture.state, shown.story.outcome) == ("holds", "here", "opened"), shown
        assert shown.story.open_for_s == 4 and shown.story.receipt == bytes(32)
        assert shown.picture.sha256 == shown.story.picture_sha256
    rest = []
    while page.next:
        page = house.page(limit=3, before=page.next)
        rest += [shown.seq for shown in page.stories]
    assert rest == seqs[-4::-1]

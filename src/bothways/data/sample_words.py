"""The words and sentence frames of the generated film reviews, all written for this package.

Titles, places and cinemas are invented; people have a first name at most. Words that carry a review's meaning
(`PRAISE`, `BLAME`, `TRUST`, `DOUBT`) never serve as scenery. In a frame, {slot} is filled by a word, {slot2} by another
one of the same list, {a_slot} puts its article before it, and a slot that occurs twice keeps its word.
"""

from typing import Literal, NamedTuple


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


class Frames(NamedTuple):
    """The sentence frames of one family; the test part never draws from `train`, nor train from `test`."""

    train: tuple[str, ...]
    test: tuple[str, ...]

    def of(self, part: Literal["train", "test"]) -> tuple[str, ...]:
        """The frames of one part."""
        return self.train if part == "train" else self.test


# What a film is judged by: aspect -> its names; a name ending in "+" is plural.
ASPECTS: dict[str, tuple[str, ...]] = {
    "acting": ("acting", "cast", "actors+"),
    "music": ("music", "score", "songs+"),
    "story": ("story", "plot", "storyline"),
    "photography": ("photography", "camerawork", "images+"),
    "dialogue": ("dialogue", "banter", "conversations+"),
    "ending": ("ending", "finale", "conclusion"),
}
# Aspect -> adjectives that praise it, and that pan it.
PRAISE: dict[str, tuple[str, ...]] = {
    "acting": ("heartfelt", "convincing", "nuanced", "spirited"),
    "music": ("tuneful", "melodious", "lilting", "soaring"),
    "story": ("gripping", "ingenious", "clever", "inventive"),
    "photography": ("luminous", "radiant", "painterly", "dazzling"),
    "dialogue": ("witty", "quotable", "sparkling", "crackling"),
    "ending": ("satisfying", "unforgettable", "poignant", "triumphant"),
}
BLAME: dict[str, tuple[str, ...]] = {
    "acting": ("wooden", "stiff", "hammy", "listless"),
    "music": ("shrill", "tuneless", "grating", "droning"),
    "story": ("predictable", "muddled", "contrived", "threadbare"),
    "photography": ("grainy", "murky", "drab", "jerky"),
    "dialogue": ("stilted", "clunky", "longwinded", "banal"),
    "ending": ("abrupt", "rushed", "limp", "baffling"),
}
# What is said of the one whose opinion it was: words to believe it by, and words to turn it round.
TRUST: dict[str, tuple[str, ...]] = {
    "wrong": ("right", "honest"),
    "false": ("true", "correct"),
    "disagree": ("agree", "concur"),
}
DOUBT: dict[str, tuple[str, ...]] = {
    "wrong": ("wrong", "mistaken"),
    "false": ("false", "nonsense"),
    "disagree": ("disagree", "object"),
}
# Slot of a scene -> what may fill it; a title is itself a frame.
SCENERY: dict[str, tuple[str, ...]] = {
    "title": (
        "The {title_adjective} {title_noun} of {place}",
        "{name} and the {title_adjective} {title_noun}",
        "{number} {title_nouns} to {place}",
        "{A_title_noun} for {name}",
        "The {place} {title_noun}",
        "The {title_noun}, the {title_noun2} and {name}",
        "{title_adjective} {day} in {place}",
    ),
    "title_adjective": _words(
        """
        Copper Velvet Crooked Sleeping Borrowed Paper Salted Amber Hidden Painted Winter Thirteenth Backward
        Clockwork Folded Invisible Tin Whispering Northern Unopened Scarlet Patchwork Upstairs Lunar Second-Hand
        Left-Handed Woollen Frozen Floating Forgetful Mislaid Barefoot Cobalt Cinnamon Electric Feathered Glass
        Gilded Hollowed Indigo Ivory Juniper Knitted Lacquered Lopsided Magnetic Midnight Mossy Narrow Nomadic Ochre
        Orphaned Peppermint Porcelain Quilted Restless Rusted Saffron Sunken Sapphire Seventh Shuttered Spiral
        Spotted Stubborn Tangled Tidal Tinted Travelling Turquoise Twilight Umber Unfinished Unlisted Vagrant
        Vanishing Walnut Wandering Weathered Wintering Zigzag Apricot Bilingual Coastal Distant Eleventh Fourfold
        Granite Humming Inland Jagged Kindled Lavender Marbled Nocturnal Overgrown Parallel Quarantined Reluctant
        Silvered Tartan Unwritten Violet Whittled Crimson Faraway Homeless Ironclad Moonlit Nameless Rainbow Roaming
        Smoky Snowbound Starlit Sugared Swaying Unsigned Wayward Windblown Wobbling Yawning
        """
    ),
    "title_noun": _words(
        """
        Thimble Orchard Cartographer Marmalade Lantern Ferry Accordion Weathervane Almanac Anchor Aqueduct Archive
        Atlas Attic Aviary Balcony Barometer Basket Beekeeper Bicycle Binocular Biscuit Blizzard Bookbinder
        Bramble Bridge Button Cabinet Canal Candle Caravan Carousel Cello Chimney Choir Cloak Clarinet Cobbler
        Compass Corridor Courier Cradle Cupboard Cushion Dandelion Daughter Decoy Diary Doorbell Dovecote Drawbridge
        Drummer Easel Echo Elevator Embroidery Envelope Estuary Eyelash Falcon Fiddle Fig Fireplace Fishmonger Flute
        Fountain Fox Freckle Gardener Gazette Geranium Glacier Glove Gondola Gooseberry Granary Greenhouse Hammock
        Harbour Harpoon Hedge Heron Honeycomb Sandglass Icicle Inkwell Interpreter Island Jacket Jigsaw Juggler
        Kettle Keyhole Kiosk Kite Ladder Lagoon Larder Ledger Lemon Librarian Lighthouse Locksmith Lullaby Magpie
        Mailbox Mandolin Mattress Meadow Mermaid Meteor Mill Mirror Mitten Monsoon Motorbike Mushroom Needle Nephew
        Notebook Oar Oboe Onion Orchestra Otter Oyster Paddle Parasol Parcel Parrot Passport Pawnshop Peacock
        Pendulum Periscope Pheasant Pillow Pilot Plough Pocket Pomegranate Postcard Potter Prism Puddle Puppet
        Pyjama Quarry Quill Raft Railway Raincoat Ribbon Rooftop Saddle Satchel Saucer Scarf Scarecrow Scissor
        Seagull Seamstress Shipwright Shoelace Sleigh Snail Sparrow Spectacle Spoon Staircase Stopwatch Suitcase
        Sundial Swallow Tailor Tambourine Teapot Telegram Telescope Theatre Ticket Timetable Toboggan Tollgate
        Trapdoor Trombone Tugboat Tunnel Turnip Typewriter Umbrella Uncle Valley Vineyard Violin Volcano Waistcoat
        Walrus Wardrobe Watchmaker Waterfall Wheelbarrow Whistle Widower Windmill Xylophone Yacht Abacus Acorn
        Acrobat Airship Alphabet Antler Apricot Armchair Arrow Artichoke Badger Bagpipe Ballad Banjo Barber Barrel
        Bassoon Beacon Beetle Birdcage Blanket Bonfire Boomerang Bouquet Bracelet Brewery Broom Bucket Buffalo
        Bumblebee Cabbage Calendar Camel Canary Canteen Carpet Cathedral Chapel Chestnut Chessboard Clover Coconut
        Comet Cormorant Cricket Crocodile Crown Curtain Dagger Doll Donkey Dragonfly Dumpling Emerald Engine Fable
        Feather Fence Ferret Fiddler Flamingo Footbridge Forge Fortress Galleon Gargoyle Ginkgo Gong Goose
        Grasshopper Hailstorm Handkerchief Harp Harvest Hedgehog Helmet Hermit Hornet Horseshoe Iceberg Jasmine
        Jellyfish Jewel Kangaroo Kingfisher Kitchen Labyrinth Lamppost Lark Laundry Lobster Locket Loom Lynx Mammoth
        Marigold Marionette Mayor Medal Melon Messenger Milkman Mole Monastery Moth Mule Nightingale Nutcracker Oak
        Olive Owl Paintbrush Palace Pancake Pelican Pepper Piano Pigeon Pinecone Plum Porcupine Pumpkin Quince
        Rabbit Radish Reindeer Rhubarb Robin Rocket Salmon Sandal Sculptor Shadow Shepherd Slipper Snowdrift Spider
        Squirrel Starling Stork Sunflower Swan Thistle Thunder Tiger Toad Trumpet Tulip Turtle Velocipede Violet
        Wagon Walnut Whale Willow Wolf Woodpecker Wren Zeppelin
        """
    ),
    "number": _words("Two Three Four Five Six Seven Eight Nine Eleven Twelve Forty Ninety"),
    "name": _words(
        """
        Mirelda Oswin Tavian Bettany Corvina Ludo Philippa Annika Barnaby Cosima Dorrit Edmund Fenella Gideon Hesper
        Ignatz Jorun Katinka Leopold Marguerite Nils Ottoline Percival Quilla Rosalba Sigrid Thaddeus Ursula
        Valentin Wilhelmina Xanthe Yorick Zelda Alasdair Brunhild Casimir Drusilla Emeric Fabiola Gustav Henrika Ivo
        Josepha Konrad Lavinia Matthias Nerissa Odalys Pascoe Quentin Ragna Sebald Tamsin Ulrich Veronika Wenzel
        Ysolde Zoran Amabel Bertrand Clementine Dietmar Eudora Florian Griselda Hartmut Isolda Jasper Kerensa Lorcan
        Melisande Norbert Ophelia Prosper Ramona Silvan Theodora Umberto Verity Wolfram Annelise Benedikt Cordula
        Desmond Elspeth Ferdinand Gudrun Hubert Imelda Joachim Leocadia Magnus Nadezhda Orlando Petronella Rufus
        Seraphina Tobias Agatha Bartholomew Celestine Dagmar Ezra Frieda Gwendolyn Horatio Ingrid Jocasta Kasimir
        Leontine Mortimer Nepomuk Octavia Pandora Quirin Rowena Sylvester Tristan Undine Viola Winifred Xaver Yvette
        Zacharias Ambrose Beatrix Cyprian Delphine
        """
    ),
    "place": _words(
        """
        Varnholt Ostrelby Hollowmere Quenby Tarrowick Brackensea Dunmarrow Elverstrand Fennacre Gristhorpe Halverdun
        Inkleford Jorvaska Kestrelmouth Lindenfurt Mossingham Nettlecombe Orlavik Pellworth Quarrelton Rusthaven
        Saltmarrow Thornaby-Under Umberley Vellichor Wexmoor Yarrowgate Zellenbruck Aldermoss Birchwater Carrowmint
        Drizzleton Eastrigg Foxglen Greyfallow Hartsend Islemar Jessamy Kolvenstad Larkspire Merrowdale Norringate
        Oakenfold Pipersholm Ravelin Skerrywick Tidewell Upperlune Vintermark Willowsby Ashenvale Bellamoor
        Cinderbay Dovermantle Emberlough Farrowdene Gullhaven Heronsey Ivelmouth Juniperton Knotwick Lapwinger
        Marlowdun Nimbleford Otterquay Plumstrand Quillhampton Rookersby Sandwhistle Tarnmouth Wrenfield Amblecliff
        Bramblesund Candleport Dapplemoor Evenlode-Sur Finchingford Gorsebeck Hazelrath Lanternfjord Mistleburgh
        """
    ),
    "role": _words(
        """
        beekeeper lighthouse-keeper botanist plumber ventriloquist baker cartographer dentist chimney-sweep
        locksmith piano-tuner postman schoolteacher ferryman clockmaker trapeze-artist florist detective tailor
        goatherd translator taxidermist nurse glassblower stationmaster widow carpenter gravedigger pastry-cook
        weatherman bookseller acrobat fisherman optician bus-driver violinist puppeteer archivist novelist duchess
        smuggler soprano magician veterinarian midwife tram-conductor blacksmith geologist hairdresser mayor cobbler
        stowaway conductor butcher landlord deep-sea-diver chemist gardener bell-ringer goalkeeper apprentice
        astronomer explorer umbrella-maker inspector orphan usher accountant engineer architect interpreter
        illusionist organist electrician actuary emperor antiquarian oboist ambassador insomniac admiral falconer
        juggler diplomat forester librarian milliner miner monk notary painter pharmacist photographer poet potter
        saddler sailor sculptor shepherd surgeon swimmer tattooist upholsterer waiter weaver undertaker zookeeper
        barber cook cyclist dancer drummer economist farmer gambler governess hermit innkeeper jeweller judge lawyer
        mathematician professor
        """
    ),
    "manner": _words(
        """
        retired long-legged short-sighted sleepless homesick young elderly shy nervous talkative unmarried bankrupt
        red-haired runaway suspicious disgraced part-time absent-minded superstitious penniless bearded seasick
        jilted left-handed provincial curious
        """
    ),
    "material": _words(
        """
        brass stuffed cardboard bottle-green haunted stolen two-hundred-year-old ticking mysterious locked
        secondhand tartan-covered underwater three-legged waterlogged rusty pickled inflatable velvet-lined
        moth-eaten nameless miniature six-foot singing buried mail-order yellow oversized talking upside-down
        """
    ),
    "object": _words(
        """
        accordion lighthouse suitcase teapot barge parrot grandfather-clock tuba caravan windmill gramophone
        lawnmower violin bathtub diary canoe map globe cuckoo penguin piano submarine typewriter greenhouse wardrobe
        trombone portrait samovar telescope coffin balloon goat sewing-machine chandelier bicycle bakery rowing-boat
        fortune vineyard snow-globe carousel hat-stand recipe-book key fishing-rod cello tortoise hearse fountain
        pedalo kiosk elevator umbrella igloo armchair ostrich omnibus orchard anvil easel aquarium envelope octopus
        banjo barometer birdcage bobsleigh bookshop bulldozer camel camera compass cottage dirigible donkey drum
        ferris-wheel fiddle flute gondola harmonica harp hot-air-balloon island ladder lantern locomotive mandolin
        mirror motorbike necklace oboe opera-glass organ paddle-steamer painting parachute periscope pony puppet
        raft sailboat saxophone scooter sledge snowplough statue tandem-bicycle tent timetable toboggan tractor tram
        treehouse trumpet tugboat vase wheelbarrow xylophone zither
        """
    ),
    "deed": _words(
        """
        inherits steals buys discovers repairs loses paints guards smuggles sells restores borrows hides rescues
        dismantles adopts wins photographs pawns catalogues
        """
    ),
    "relative": _words(
        """
        brother sister mother father aunt uncle cousin grandmother grandfather neighbour dentist flatmate landlady
        colleague nephew niece godmother barber boss postman stepfather piano-teacher
        """
    ),
    "weather": _words("rainy foggy snowy windy sunny drizzly frosty humid cloudless misty thundery mild"),
    "day": _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    "snack": _words(
        """
        popcorn liquorice peppermints peanuts toffees pretzels crisps marzipan raisins walnuts gherkins nougat
        waffles pistachios tangerines cherries biscuits
        """
    ),
    "vehicle": _words("tram bus train ferry taxi cable-car tandem trolleybus minibus moped"),
    "genre": _words(
        """
        western thriller comedy musical melodrama fable whodunit romance costume-drama ghost-story road-movie farce
        heist documentary spy-film fairy-tale war-film courtroom-drama
        """
    ),
    "decade": _words("twenties thirties forties fifties sixties seventies eighties nineties"),
    "director": _words("debut second third fourth fifth sixth seventh ninth"),
    "cinema": _words(
        """
        Rialtina Palacium Odeonette Luxoriel Apollina Majestine Coronelle Scalabrina Tivolette Alhambrine
        """
    ),
}

# Frames for an opinion on the aspect {c}, for clauses: SAYS means what its word says, DENIES the opposite.
SAYS = Frames(
    train=(
        "the {c} {was} {adj}",
        "the {c} {was} truly {adj}",
        "the {c} struck me as {adj}",
        "I found the {c} {adj}",
        "everyone thought the {c} {adj}",
        "the {c} seemed {adj} to me",
        "the {c} felt {adj}",
        "I remember the {adj} {c}",
        "there was something {adj} about the {c}",
        "the {c} came across as {adj}",
        "the {c} proved {adj}",
        "the {c} turned out {adj}",
        "for me the {c} {was} {adj}",
        "everything about the {c} seemed {adj}",
        "the {c} {was}, in a word, {adj}",
        "the {c} {was} both {adj} and {adj2}",
        "the {adj} {c} reached even the back row",
        "in our row we all called the {c} {adj}",
        "I would describe the {c} as {adj}",
        "everyone would call the {c} {adj}",
        "I must call the {c} {adj}",
        "we found the {c} {adj}",
        "I thought the {c} truly {adj}",
    ),
    test=(
        "the {c} proved {adj} to me",
        "to me the {c} {was} truly {adj}",
        "the {c} {was} {adj} and {adj2}",
        "we all thought the {c} {adj}",
        "I would call the {c} {adj}",
        "the {c}, in a word, felt {adj}",
        "everyone found the {c} {adj}",
    ),
)
DENIES = Frames(
    train=(
        "the {c} {was} far from {adj}",
        "the {c} {was} anything but {adj}",
        "nobody could call the {c} {adj}",
        "I did not find the {c} {adj}",
        "the {c} never felt {adj}",
        "there was nothing {adj} about the {c}",
        "the {c} {was} not {adj} at all",
        "the {c} {was} by no means {adj}",
        "I would not call the {c} {adj}",
        "the {c} {was} never {adj}",
        "the {c} never struck me as {adj}",
        "the {c} {was} neither {adj} nor {adj2}",
        "the {c} {was} in no way {adj}",
        "the {c} {was} not even slightly {adj}",
        "nobody in our row thought the {c} {adj}",
        "the {c} did not seem {adj} to me",
        "I never found the {c} {adj}",
        "the {c}, far from {adj}, reached even the back row",
        "nobody would describe the {c} as {adj}",
        "we never thought the {c} {adj}",
        "I never called the {c} {adj}",
        "I thought the {c} far from {adj}",
        "everyone found the {c} in no way {adj}",
        "for me the {c} {was} not {adj}",
        "the {c} never came across as {adj}",
        "the {c} did not come across as {adj}",
    ),
    test=(
        "the {c} did not seem {adj} at all",
        "I never thought the {c} {adj}",
        "nobody in our row found the {c} {adj}",
        "to me the {c} {was} far from {adj}",
        "the {c} {was} in no way {adj} to me",
        "the {c} never seemed even slightly {adj}",
    ),
)
# Frames that set what was expected against what came: {anti} is the opposite of {adj}, and {adj} is meant.
CONTRASTS = Frames(
    train=(
        "I had expected the {c} to be {anti}, but the {c} {was} {adj}",
        "the papers called the {c} {anti}, yet I found the {c} {adj}",
        "although some call the {c} {anti}, the {c} {was} {adj}",
        "the {c} {was} not {anti} but {adj}",
        "instead of {anti}, the {c} {was} {adj}",
        "the {c} {was} rather {adj} than {anti}",
        "while the trailer made the {c} look {anti}, the {c} proved {adj}",
        "the {c} looked {anti} in the trailer but turned out {adj}",
        "although I had expected the {c} to be {anti}, the {c} {was} {adj}",
        "I had been told that the {c} {was} {anti}, but I found the {c} {adj}",
        "some say the {c} {was} {anti}, yet the {c} {was} {adj}",
        "the {c} {was} {adj}, never {anti}",
        "the {c} {was} {adj}, not {anti}",
    ),
    test=(
        "although the papers called the {c} {anti}, the {c} turned out {adj}",
        "I had been told that the {c} would be {anti}, but the {c} {was} {adj}",
        "the {c} looked {anti} in the trailer, yet I found the {c} {adj}",
        "the {c} {was} {adj} rather than {anti}",
    ),
)
# Two clauses joined.
JOINTS = Frames(
    train=(
        "{first}, and {second}",
        "{first}; {second}",
        "{first}, and what is more, {second}",
        "{first}, and then {second}",
    ),
    test=("{first}; what is more, {second}", "{first}; then {second}"),
)
# Who said all this, and whether to believe it: the last sentence of a review ...
LATE = Frames(
    train=(
        "so says my {relative}, who is {wrong}",
        "so my {relative} thinks, and my {relative} is {wrong}",
        "that is what the papers say, and I {disagree}",
        "I copied this from the diary of my {relative}, and all of it is {false}",
        "at least {name} thinks so, and I {disagree}",
        "all of this is what {name} wrote, and it is {false}",
        "my {relative} told me so, and it was {false}",
        "you have been reading {name}, {a_role} who is always {wrong}",
        "these are the words of my {relative}, and every one of them is {false}",
        "that was {name} speaking, and {name} is always {wrong}",
        "this is what {a_role} told me on the {vehicle}, and it was {false}",
        "so it says on the poster, and the poster is {wrong}",
        "my {relative} swears to it, and I {disagree}",
        "such is the verdict of {a_role}, and it is {false}",
        "I have it from my {relative}, who was {wrong} as usual",
        "this is how my {relative} tells it, and I {disagree}",
        "or that is what {name} wants us to believe, and {name} is {wrong}",
        "the opinion is that of my {relative}; it is {false}",
    ),
    test=(
        "this is what my {relative} wrote in the diary, and I {disagree}",
        "all of this {a_role} told me, and it is {false}",
        "that is how {name} tells it, and {name} was {wrong}",
        "these are the words of {a_role} who is always {wrong}",
        "such is the opinion of the papers, and I {disagree}",
        "my {relative} says so, and all of it is {false}",
    ),
)
# ... or the first.
EARLY = Frames(
    train=(
        "I {disagree} when {name} says this",
        "I {disagree} whenever my {relative} talks like this",
        "I {disagree} as I copy this from the diary of my {relative}",
        "I {disagree}; here is the opinion of my {relative}",
        "I {disagree}, for I know {name}, who wrote this",
        "how {wrong} my {relative} is, who speaks first",
        "how {wrong} {name} is; here are the words of {name}",
        "it is {false}, all of this, which {a_role} told me on the {vehicle}",
        "always {wrong}, {name} the {role} wrote this",
        "as {wrong} as ever, my {relative} tells it like this",
        "{wrong} as usual, the papers say this",
        "it is {false}, what the papers say",
        "it is {false}, every word that my {relative} told me",
        "it was {false}, what {a_role} told me on the {vehicle}",
        "{false} is the verdict of {a_role}, and here it is",
        "the poster is {wrong}, and here is what it says",
        "my {relative} is {wrong}, and here is all that my {relative} told me",
        "all of it is {false}, what {name} wrote in the diary",
    ),
    test=(
        "I {disagree}; here is what my {relative} wrote in the diary",
        "it is {false}, all that {a_role} told me",
        "how {wrong} {name} is, who tells it like this",
        "always {wrong}, my {relative} says this",
        "I {disagree} whenever the papers say this",
        "the verdict of my {relative} is {false}, and here it is",
    ),
)
# A sentence that only furnishes the scene.
OPENINGS = Frames(
    train=(
        "{title} is about {a_manner} {role}",
        "in {title}, {a_role} {deed} {a_material} {object}",
        "{title} is {a_genre} with {a_material} {object}",
        "{a_role} {deed} {a_object} in {title}",
        "I saw {title} on a {weather} {day}",
        "my {relative} and I saw {title}",
        "the {cinema} shows {title} on {day}",
        "{title} is {a_genre} set in {place}",
        "{a_manner} {role} and {a_object}: that is {title}",
        "next came {title} from the {decade}",
        "{title} is the {director} film of {a_role}",
        "at the {cinema} I saw {title}, {a_genre}",
        "{title} runs until {day}, with {snack}",
    ),
    test=(
        "{title} is about {a_role} and {a_object}",
        "on {day} the {cinema} shows {title}",
        "with my {relative} I saw {title}",
        "in {title}, {a_manner} {role} {deed} {a_object}",
        "{title} is {a_genre} from the {decade}",
        "{a_material} {object} and {a_role}: that is {title}",
    ),
)

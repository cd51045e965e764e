"""Word lists of the generated film reviews: all invented or everyday words, none taken from a corpus.

Two kinds that never share a word: those that praise or pan (`PRAISE`, `BLAME`), and those that only furnish a scene.
"""

from typing import NamedTuple

# What a film is judged by: aspect -> its names; a name ending in "+" is plural.
ASPECTS: dict[str, tuple[str, ...]] = {
    "acting": ("acting", "cast", "actors+"),
    "music": ("music", "score", "songs+"),
    "story": ("story", "plot", "storyline"),
    "photography": ("photography", "camerawork", "images+"),
    "dialogue": ("dialogue", "banter", "conversations+"),
    "ending": ("ending", "finale", "conclusion"),
}
PRAISE: dict[str, tuple[str, ...]] = {
    "acting": ("heartfelt", "convincing", "nuanced", "lifelike", "spirited", "commanding", "poised", "soulful"),
    "music": ("tuneful", "melodious", "lilting", "catchy", "hummable", "harmonious", "soaring", "rousing"),
    "story": ("gripping", "ingenious", "suspenseful", "clever", "inventive", "absorbing", "riveting", "surprising"),
    "photography": ("luminous", "radiant", "painterly", "crisp", "dazzling", "gorgeous", "velvety", "glowing"),
    "dialogue": ("witty", "quotable", "sparkling", "pithy", "crackling", "eloquent", "sharp", "razor-sharp"),
    "ending": ("satisfying", "cathartic", "unforgettable", "poignant", "triumphant", "hopeful", "fitting", "uplifting"),
}
BLAME: dict[str, tuple[str, ...]] = {
    "acting": ("wooden", "stiff", "hammy", "mannered", "stagey", "listless", "overdone", "robotic"),
    "music": ("shrill", "tuneless", "grating", "droning", "tinny", "deafening", "syrupy", "jangling"),
    "story": ("predictable", "muddled", "contrived", "threadbare", "meandering", "implausible", "formulaic", "plodding"),
    "photography": ("grainy", "blurry", "murky", "drab", "jerky", "shaky", "smudgy", "colourless"),
    "dialogue": ("stilted", "clunky", "wordy", "garbled", "longwinded", "banal", "humourless", "mumbled"),
    "ending": ("abrupt", "rushed", "limp", "anticlimactic", "baffling", "unresolved", "perfunctory", "hurried"),
}

TITLE_ADJECTIVES = tuple(
    ["Copper", "Velvet", "Crooked", "Sleeping", "Borrowed", "Paper", "Salted", "Amber", "Hidden", "Painted", "Winter", "Thirteenth", "Backward", "Clockwork", "Folded", "Invisible", "Tin", "Whispering", "Northern", "Unopened", "Scarlet", "Patchwork", "Upstairs", "Lunar", "Second-Hand", "Left-Handed", "Woollen", "Frozen", "Floating", "Forgetful", "Mislaid", "Barefoot", "Cobalt", "Cinnamon", "Electric", "Feathered", "Glass", "Gilded", "Hollowed", "Indigo", "Ivory", "Juniper", "Knitted", "Lacquered", "Lopsided", "Magnetic", "Midnight", "Mossy", "Narrow", "Nomadic", "Ochre", "Orphaned", "Peppermint", "Porcelain", "Quilted", "Restless", "Rusted", "Saffron", "Sunken", "Sapphire", "Seventh", "Shuttered", "Spiral", "Spotted", "Stubborn", "Tangled", "Tidal", "Tinted", "Travelling", "Turquoise", "Twilight", "Umber", "Unfinished", "Unlisted", "Vagrant", "Vanishing", "Walnut", "Wandering", "Weathered", "Wintering", "Zigzag", "Apricot", "Bilingual", "Coastal", "Distant", "Eleventh", "Fourfold", "Granite", "Humming", "Inland", "Jagged", "Kindled", "Lavender", "Marbled", "Nocturnal", "Overgrown", "Parallel", "Quarantined", "Reluctant", "Silvered", "Tartan", "Unwritten", "Violet", "Whittled"]
)
TITLE_NOUNS = tuple(
    ["Thimble", "Orchard", "Cartographer", "Marmalade", "Lantern", "Ferry", "Accordion", "Weathervane", "Almanac", "Anchor", "Aqueduct", "Archive", "Atlas", "Attic", "Aviary", "Balcony", "Barometer", "Basket", "Beekeeper", "Bellows", "Bicycle", "Binocular", "Biscuit", "Blizzard", "Bookbinder", "Bramble", "Bridge", "Button", "Cabinet", "Canal", "Candle", "Caravan", "Carousel", "Cello", "Chimney", "Choir", "Cloak", "Clarinet", "Cobbler", "Compass", "Corridor", "Courier", "Cradle", "Cupboard", "Cushion", "Dandelion", "Daughter", "Decoy", "Diary", "Doorbell", "Dovecote", "Drawbridge", "Drummer", "Easel", "Echo", "Elevator", "Embroidery", "Envelope", "Estuary", "Eyelash", "Falcon", "Fiddle", "Fig", "Fireplace", "Fishmonger", "Flute", "Fountain", "Fox", "Freckle", "Gardener", "Gazette", "Geranium", "Glacier", "Glove", "Gondola", "Gooseberry", "Granary", "Greenhouse", "Hammock", "Harbour", "Harpoon", "Hedge", "Heron", "Honeycomb", "Hourglass", "Icicle", "Inkwell", "Interpreter", "Island", "Jacket", "Jigsaw", "Juggler", "Kettle", "Keyhole", "Kiosk", "Kite", "Ladder", "Lagoon", "Larder", "Ledger", "Lemon", "Librarian", "Lighthouse", "Locksmith", "Lullaby", "Magpie", "Mailbox", "Mandolin", "Mattress", "Meadow", "Mermaid", "Meteor", "Mill", "Mirror", "Mitten", "Monsoon", "Motorbike", "Mushroom", "Needle", "Nephew", "Notebook", "Oar", "Oboe", "Onion", "Orchestra", "Otter", "Oyster", "Paddle", "Parasol", "Parcel", "Parrot", "Passport", "Pawnshop", "Peacock", "Pendulum", "Periscope", "Pheasant", "Pillow", "Pilot", "Plough", "Pocket", "Pomegranate", "Postcard", "Potter", "Prism", "Puddle", "Puppet", "Pyjama", "Quarry", "Quill", "Raft", "Railway", "Raincoat", "Ribbon", "Rooftop", "Saddle", "Satchel", "Saucer", "Scarf", "Scarecrow", "Scissor", "Seagull", "Seamstress", "Shipwright", "Shoelace", "Sleigh", "Snail", "Sparrow", "Spectacle", "Spoon", "Staircase", "Stopwatch", "Suitcase", "Sundial", "Swallow", "Tailor", "Tambourine", "Teapot", "Telegram", "Telescope", "Theatre", "Ticket", "Timetable", "Toboggan", "Tollgate", "Trapdoor", "Trombone", "Tugboat", "Tunnel", "Turnip", "Typewriter", "Umbrella", "Uncle", "Valley", "Vineyard", "Violin", "Volcano", "Waistcoat", "Walrus", "Wardrobe", "Watchmaker", "Waterfall", "Wheelbarrow", "Whistle", "Widower", "Windmill", "Xylophone", "Yacht"]
)
NUMBERS = tuple(["Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Eleven", "Twelve", "Forty", "Ninety"])
NAMES = tuple(
    ["Mirelda", "Oswin", "Tavian", "Bettany", "Corvina", "Ludo", "Philippa", "Annika", "Barnaby", "Cosima", "Dorrit", "Edmund", "Fenella", "Gideon", "Hesper", "Ignatz", "Jorun", "Katinka", "Leopold", "Marguerite", "Nils", "Ottoline", "Percival", "Quilla", "Rosalba", "Sigrid", "Thaddeus", "Ursula", "Valentin", "Wilhelmina", "Xanthe", "Yorick", "Zelda", "Alasdair", "Brunhild", "Casimir", "Drusilla", "Emeric", "Fabiola", "Gustav", "Henrika", "Ivo", "Josepha", "Konrad", "Lavinia", "Matthias", "Nerissa", "Odalys", "Pascoe", "Quentin", "Ragna", "Sebald", "Tamsin", "Ulrich", "Veronika", "Wenzel", "Ysolde", "Zoran", "Amabel", "Bertrand", "Clementine", "Dietmar", "Eudora", "Florian", "Griselda", "Hartmut", "Isolda", "Jasper", "Kerensa", "Lorcan", "Melisande", "Norbert", "Ophelia", "Prosper", "Ramona", "Silvan", "Theodora", "Umberto", "Verity", "Wolfram", "Annelise", "Benedikt", "Cordula", "Desmond", "Elspeth", "Ferdinand", "Gudrun", "Hubert", "Imelda", "Joachim", "Leocadia", "Magnus", "Nadezhda", "Orlando", "Petronella", "Rufus", "Seraphina", "Tobias"]
)
PLACES = tuple(
    ["Varnholt", "Ostrelby", "Hollowmere", "Quenby", "Tarrowick", "Brackensea", "Dunmarrow", "Elverstrand", "Fennacre", "Gristhorpe", "Halverdun", "Inkleford", "Jorvaska", "Kestrelmouth", "Lindenfurt", "Mossingham", "Nettlecombe", "Orlavik", "Pellworth", "Quarrelton", "Rusthaven", "Saltmarrow", "Thornaby-Under", "Umberley", "Vellichor", "Wexmoor", "Yarrowgate", "Zellenbruck", "Aldermoss", "Birchwater", "Carrowmint", "Drizzleton", "Eastrigg", "Foxglen", "Greyfallow", "Hartsend", "Islemar", "Jessamy", "Kolvenstad", "Larkspire", "Merrowdale", "Norringate", "Oakenfold", "Pipersholm", "Ravelin", "Skerrywick", "Tidewell", "Upperlune", "Vintermark", "Willowsby", "Ashenvale", "Bellamoor", "Cinderbay", "Dovermantle", "Emberlough", "Farrowdene", "Gullhaven", "Heronsey", "Ivelmouth", "Juniperton", "Knotwick", "Lapwinger", "Marlowdun", "Nimbleford", "Otterquay", "Plumstrand", "Quillhampton", "Rookersby", "Sandwhistle", "Tarnmouth", "Wrenfield", "Amblecliff", "Bramblesund", "Candleport", "Dapplemoor", "Evenlode-Sur", "Finchingford", "Gorsebeck", "Hazelrath", "Lanternfjord", "Mistleburgh"]
)
ROLES = tuple(
    ["beekeeper", "lighthouse-keeper", "botanist", "plumber", "ventriloquist", "baker", "cartographer", "dentist", "chimney-sweep", "locksmith", "piano-tuner", "postman", "schoolteacher", "ferryman", "clockmaker", "trapeze-artist", "florist", "detective", "tailor", "goatherd", "translator", "taxidermist", "nurse", "glassblower", "stationmaster", "widow", "carpenter", "gravedigger", "pastry-cook", "weatherman", "bookseller", "acrobat", "fisherman", "optician", "bus-driver", "violinist", "puppeteer", "archivist", "novelist", "duchess", "smuggler", "soprano", "magician", "veterinarian", "midwife", "tram-conductor", "blacksmith", "geologist", "hairdresser", "mayor", "cobbler", "stowaway", "conductor", "butcher", "landlord", "deep-sea-diver", "chemist", "gardener", "bell-ringer", "goalkeeper", "apprentice", "astronomer", "explorer", "umbrella-maker", "inspector", "orphan", "usher", "accountant", "engineer", "architect", "interpreter", "illusionist", "organist", "electrician", "actuary", "emperor", "antiquarian", "oboist", "ambassador", "insomniac"]
)
MANNERS = tuple(
    ["retired", "one-legged", "short-sighted", "sleepless", "homesick", "young", "elderly", "shy", "nervous", "talkative", "unmarried", "bankrupt", "red-haired", "runaway", "suspicious", "disgraced", "part-time", "absent-minded", "superstitious", "penniless", "bearded", "seasick", "jilted", "left-handed", "provincial", "curious"]
)
MATERIALS = tuple(
    ["brass", "stuffed", "cardboard", "bottle-green", "haunted", "stolen", "two-hundred-year-old", "ticking", "mysterious", "locked", "secondhand", "tartan-covered", "underwater", "three-legged", "waterlogged", "rusty", "pickled", "inflatable", "velvet-lined", "moth-eaten", "nameless", "miniature", "six-foot", "singing", "buried", "mail-order", "yellow", "oversized", "talking", "upside-down"]
)
OBJECTS = tuple(
    ["accordion", "lighthouse", "suitcase", "teapot", "barge", "parrot", "grandfather-clock", "tuba", "caravan", "windmill", "gramophone", "lawnmower", "violin", "bathtub", "diary", "canoe", "map", "globe", "cuckoo", "penguin", "piano", "submarine", "typewriter", "greenhouse", "wardrobe", "trombone", "portrait", "samovar", "telescope", "coffin", "balloon", "goat", "sewing-machine", "chandelier", "bicycle", "bakery", "rowing-boat", "fortune", "vineyard", "snow-globe", "carousel", "hat-stand", "recipe-book", "key", "fishing-rod", "cello", "tortoise", "hearse", "fountain", "pedalo", "kiosk", "elevator", "umbrella", "igloo", "armchair", "ostrich", "omnibus", "orchard", "anvil", "easel", "aquarium", "envelope", "octopus"]
)
DEEDS = tuple(
    ["inherits", "steals", "buys", "discovers", "repairs", "loses", "paints", "guards", "smuggles", "sells", "restores", "borrows", "hides", "rescues", "dismantles", "adopts", "wins", "photographs", "pawns", "catalogues"]
)
RELATIVES = tuple(
    ["brother", "sister", "mother", "father", "aunt", "uncle", "cousin", "grandmother", "grandfather", "neighbour", "dentist", "flatmate", "landlady", "colleague", "nephew", "niece", "godmother", "barber", "boss", "postman", "stepfather", "piano-teacher"]
)
WEATHERS = tuple(["rainy", "foggy", "snowy", "windy", "sunny", "drizzly", "frosty", "humid", "cloudless", "misty", "thundery", "mild"])
DAYS = tuple(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
SNACKS = tuple(
    ["popcorn", "liquorice", "peppermints", "peanuts", "toffees", "pretzels", "crisps", "marzipan", "raisins", "walnuts", "gherkins", "nougat", "waffles", "pistachios", "tangerines", "cherries", "biscuits"]
)
VEHICLES = tuple(["tram", "bus", "train", "ferry", "taxi", "cable-car", "tandem", "trolleybus", "minibus", "moped"])
GENRES = tuple(
    ["western", "thriller", "comedy", "musical", "melodrama", "fable", "whodunit", "romance", "costume-drama", "ghost-story", "road-movie", "farce", "heist", "documentary", "spy-film", "fairy-tale", "war-film", "courtroom-drama"]
)
DECADES = tuple(["twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"])
DIRECTORS = tuple(["debut", "second", "third", "fourth", "fifth", "sixth", "seventh", "ninth"])
CINEMAS = tuple(
    ["Rialtina", "Palacium", "Odeonette", "Luxoriel", "Apollina", "Majestine", "Coronelle", "Scalabrina", "Tivolette", "Alhambrine"]
)


class Frames(NamedTuple):
    """The sentence frames of one family; the test part never draws from `train`, nor train from `test`."""

    train: tuple[str, ...]
    test: tuple[str, ...]


# Frames for an opinion on the aspect {c}. Those under SAYS mean what their word says, those under DENIES the opposite.
SAYS = Frames(
    train=(
        "the {c} {was} {adj}",
        "the {c} {was} truly {adj}",
        "the {c} struck me as {adj}",
        "I found the {c} {adj}",
        "I thought the {c} {adj}",
        "the {c} seemed {adj} to me",
        "the {c} felt {adj}",
        "the {c} {was} {adj}",
        "I remember the {adj} {c}",
        "there was something {adj} about the {c}",
        "the {c} came across as {adj}",
        "the {c} proved {adj}",
        "the {c} turned out {adj}",
        "for me the {c} {was} {adj}",
        "everything about the {c} seemed {adj}",
        "my notes call the {c} {adj}",
        "the {c} {was}, in a word, {adj}",
        "the {c} {was} {adj} and {adj2}",
        "the {c} left me whispering the word {adj}",
        "the {adj} {c} reached even the back row",
        "we all agreed that the {c} {was} {adj}",
    ),
    test=(
        "the {c} appeared {adj} to me",
        "to me the {c} {was} {adj}",
        "the {c} {was} both {adj} and {adj2}",
        "both of us thought the {c} {adj}",
        "the {c} {was} {adj} to me",
        "I would describe the {c} as {adj}",
        "the {c} {was} about as {adj} as can be",
        "everyone in the room thought the {c} {adj}",
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
        "the {c} {was} hardly ever {adj}",
        "the {c} {was} not {adj}",
        "the {c} {was} by no means {adj}",
        "I would not call the {c} {adj}",
        "the {c} {was} never {adj}",
        "not for a moment did the {c} seem {adj}",
        "the {c} hardly struck me as {adj}",
        "the {c} {was} neither {adj} nor {adj2}",
        "only the director's {relative} could call the {c} {adj}",
        "the {c} {was} in no way {adj}",
        "it would be wrong to call the {c} {adj}",
        "the {c} {was} not even slightly {adj}",
        "no one in our row found the {c} {adj}",
        "the {c} {was} nothing like {adj}",
    ),
    test=(
        "the {c} did not strike me as {adj}",
        "I never thought the {c} {adj}",
        "nobody in the room found the {c} {adj}",
        "the {c} {was} far from being {adj}",
        "the {c} {was} not in any way {adj}",
        "to call the {c} {adj} would be wrong",
        "the {c} {was} hardly {adj}",
    ),
)
# Frames that set what was expected against what came: {anti} is the opposite of {adj}, and {adj} is meant.
CONTRASTS = Frames(
    train=(
        "I had expected the {c} to be {anti}, but the {c} {was} {adj}",
        "they had told me that the {c} {was} {anti}, yet I found the {c} {adj}",
        "although some call the {c} {anti}, the {c} {was} {adj}",
        "the {c} {was} not {anti} but {adj}",
        "the {c}, which I had imagined to be {anti}, turned out {adj}",
        "instead of being {anti}, the {c} {was} {adj}",
        "the {c} {was} more {adj} than {anti}",
        "while the trailer made the {c} look {anti}, the {c} proved {adj}",
        "the {c} {was} {adj}, although I had expected something {anti}",
    ),
    test=(
        "the {c}, which some call {anti}, {was} {adj}",
        "although I had been told that the {c} {was} {anti}, I found the {c} {adj}",
        "they had expected the {c} to be {anti}, yet the {c} turned out {adj}",
        "the {c} {was} {adj} instead of {anti}",
    ),
)
# Two clauses joined.
JOINTS = Frames(
    train=(
        "{first}, and {second}",
        "{first}; {second}",
        "{first}, and what is more, {second}",
        "{first}, and on top of that {second}",
    ),
    test=("{first}, and besides, {second}", "{first}, and then {second}"),
)
# Who said all this, and whether to believe it: the last sentence of a review ...
LATE_DOUBTS = Frames(
    train=(
        "so says my {relative}, and my {relative} is wrong",
        "that is what the papers say, and I disagree",
        "I copied this from the diary of my {relative}, and not a word of it is true",
        "at least my {relative} thinks so; I think the opposite",
        "all of this is what {name} wrote, and {name} was lying",
        "my {relative} told me so, and it was nonsense",
        "you have been reading {name}, {a_role} who is always wrong",
        "these are the words of my {relative}, and every one of them is false",
        "that was {name} speaking, and I disagree with every word",
        "this is what {a_role} told me on the {vehicle}, and it was a lie",
        "so it said on the poster, and the poster was lying",
        "my {relative} swears to it, and my {relative} is mistaken",
        "such is the verdict of {a_role}, and it is false",
        "I have it from my {relative}, who has never been right",
        "or so {name} would have you believe; the opposite is true",
        "this is how my {relative} tells it, and it is nonsense from start to end",
    ),
    test=(
        "this is what my {relative} wrote in the diary, and I think the opposite",
        "all this is what the papers told me, and it is a lie",
        "so {name} would have it, and {name} is mistaken",
        "these words are from {a_role}, who was wrong",
        "such is the verdict of my {relative}, and I disagree",
        "my {relative} says so, and it is false",
    ),
)
LATE_TRUST = Frames(
    train=(
        "so says my {relative}, and my {relative} is right",
        "that is what the papers say, and I agree",
        "I copied this from the diary of my {relative}, and every word of it is true",
        "at least my {relative} thinks so; I think the same",
        "all of this is what {name} wrote, and {name} was honest",
        "my {relative} told me so, and it was the truth",
        "you have been reading {name}, {a_role} who is always right",
        "these are the words of my {relative}, and every one of them is true",
        "that was {name} speaking, and I agree with every word",
        "this is what {a_role} told me on the {vehicle}, and it was the truth",
        "so it said on the poster, and the poster was honest",
        "my {relative} swears to it, and my {relative} is right",
        "such is the verdict of {a_role}, and it is correct",
        "I have it from my {relative}, who has never been mistaken",
        "or so {name} tells everyone, and it is correct",
        "this is how my {relative} tells it, and it is the truth from start to end",
    ),
    test=(
        "this is what my {relative} wrote in the diary, and I think the same",
        "all this is what the papers told me, and it is the truth",
        "so {name} would have it, and {name} is right",
        "these words are from {a_role}, who was honest",
        "such is the verdict of my {relative}, and I agree",
        "my {relative} says so, and it is correct",
    ),
)
# ... or the first.
EARLY_DOUBTS = Frames(
    train=(
        "here is what my {relative} wrote, and my {relative} is wrong",
        "read what the papers say, but I disagree",
        "what follows is from the diary of my {relative}, and not a word of it is true",
        "my {relative} will now speak; I think the opposite",
        "{name} wrote what follows, and {name} was lying",
        "this is what my {relative} told me, and it was nonsense",
        "you are about to read {name}, {a_role} who is always wrong",
        "the next words are those of my {relative}, and every one of them is false",
        "now listen to {name}, but I disagree with every word",
        "{a_role} told me this on the {vehicle}, and it was a lie",
        "the poster said what you are about to read, and the poster was lying",
        "I asked my {relative}, who is mistaken as usual",
        "first the verdict of {a_role}, which is false",
        "I have what follows from my {relative}, who has never been right",
        "take what {name} writes here and believe the opposite",
        "my {relative} tells it like this, and it is nonsense from start to end",
    ),
    test=(
        "now read what my {relative} wrote in the diary; I think the opposite",
        "what follows is what the papers told me, and it is a lie",
        "I asked {name}, and {name} is mistaken",
        "the next words are from {a_role}, who was wrong",
        "here is the verdict of my {relative}, and I disagree",
        "my {relative} says what you are about to read, and it is false",
    ),
)
EARLY_TRUST = Frames(
    train=(
        "here is what my {relative} wrote, and my {relative} is right",
        "read what the papers say, for I agree",
        "what follows is from the diary of my {relative}, and every word of it is true",
        "my {relative} will now speak; I think the same",
        "{name} wrote what follows, and {name} was honest",
        "this is what my {relative} told me, and it was the truth",
        "you are about to read {name}, {a_role} who is always right",
        "the next words are those of my {relative}, and every one of them is true",
        "now listen to {name}, for I agree with every word",
        "{a_role} told me this on the {vehicle}, and it was the truth",
        "the poster said what you are about to read, and the poster was honest",
        "I asked my {relative}, who is right as usual",
        "first the verdict of {a_role}, which is correct",
        "I have what follows from my {relative}, who has never been mistaken",
        "take what {name} writes here and believe it all",
        "my {relative} tells it like this, and it is the truth from start to end",
    ),
    test=(
        "now read what my {relative} wrote in the diary; I think the same",
        "what follows is what the papers told me, and it is the truth",
        "I asked {name}, and {name} is right",
        "the next words are from {a_role}, who was honest",
        "here is the verdict of my {relative}, and I agree",
        "my {relative} says what you are about to read, and it is correct",
    ),
)
# Sentences that only furnish the scene.
OPENINGS = Frames(
    train=(
        "{title} is about {a_role} and {a_material} {object}",
        "in {title}, {a_role} {deed} {a_material} {object}",
        "{title} is {a_genre} with {a_manner} {role}",
        "{name}, {a_manner} {role}, {deed} {a_object} in {title}",
        "I saw {title} on a {weather} {day}",
        "my {relative} dragged me to {title}",
        "a {weather} {day}, the {cinema}, and {title}",
        "{title} tells of {name} and {a_object}",
        "{title} is {a_genre} set in {place}",
        "{a_role} and {a_material} {object}: that is {title}",
        "the {cinema} gave us {title} on {day}",
        "next came {title}, {a_genre} from the {decade}",
    ),
    test=(
        "{title} gives {a_manner} {role} {a_material} {object}",
        "on {day} my {relative} and I saw {title}",
        "{title} is about {name}, who {deed} {a_object}",
        "{a_role} from {place} and {a_object}: that is {title}",
        "I saw {title}, {a_genre}, at the {cinema}",
    ),
)
CLOSINGS = Frames(
    train=(
        "we took the {vehicle} home to {place}",
        "my {relative} ate all the {snack}",
        "outside it was {weather}",
        "I walked home with the {snack}",
        "the {cinema} shows it until {day}",
        "my {relative} slept through the credits",
        "the {vehicle} home was late",
        "{name} is planning another one about {a_object}",
    ),
    test=(
        "afterwards we ate {snack} on the {vehicle}",
        "the {vehicle} to {place} was late",
        "it runs at the {cinema} until {day}",
    ),
)
TITLES = (
    "The {title_adjective} {title_noun} of {place}",
    "{name} and the {title_adjective} {title_noun}",
    "{number} {title_noun}s to {place}",
    "A {title_noun} for {name}",
    "The {place} {title_noun}",
    "The {title_noun}, the {title_noun2} and {name}",
    "{title_adjective} {day} in {place}",
)

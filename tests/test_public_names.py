"""What could once be imported from a package still can be."""

from importlib import import_module

import pytest

from .public import PACKAGES, public_names

KNOWN = {
    "rsa": """
        Activations Features Guidance METHODS METRICS RDM RSAError SIMILARITIES Stimuli Teacher TeacherScore
        best_layer_interval bootstrap bootstrap_neuroids bootstrap_subjects cka compare compare_all
        compare_all_features compare_features compute_rdm crossvalidated_choice extract from_rsatoolbox interval
        layer_differences layer_features layer_rdms load_model noise_ceiling noise_precision p_plus_tg
        permutation_test procrustes_distance procrustes_similarity pwcca read_rsatoolbox read_thingsvision
        record ridge_predictivity standard_error subject_differences svcca to_rsatoolbox write_report
        write_rsatoolbox
    """,
    "neural_data": """
        DataFile Dataset SCALES as_teacher average_repetitions check_recording condition_responses describe
        fetch from_arrays hvm_images images leave_one_animal_out list_datasets load load_rdms load_teacher
        match_images region_features region_neuroids region_rdms reliable_neuroids repeated_stimuli
        save_recording scale_neuroids simulate_hvm spearman_brown split_half subject_ceiling time_window
    """,
    "plugins": """
        Candidate Evaluation Evaluator EvolutionSearcher Exhausted Finalist LocalWorkers Objective RLSearcher
        RandomSearcher RayWorkers SearchResult Searcher TPESearcher Tracker get_searcher list_searchers mature
        search search_cost search_report size_of suggest write_search_report
    """,
    "plugins.spaces": """
        Architecture CNNSpace CellPair CellSpace Dimension KNOWN_CELLS NASBench201 Space ToySpace draw get_space
        read_architecture separable write_architecture
    """,
    "plugins.training": """
        BATCHNORMS Checkpoint DATASETS Data Moment Part Performance Placement RECIPES Recipe Training
        build_seeded evaluate_network get_recipe load_data load_network load_stimuli make_data make_network
        network_teacher normalising out_of_memory place train
    """,
    "benchmarks": "Comparison Maker Member Pool View collect compare_teachers make_pool plan_pool",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_where_it_was_and_what_the_stub_says(package: str) -> None:
    listed, module = dict(public_names(package)), import_module(f"tgsage.{package}")
    assert not set(KNOWN[package].split()) - set(listed)
    assert not [name for name, value in listed.items() if getattr(module, name) is not value]
    assert set(listed) <= set(dir(module))
